from weights_helpers import make_record

from nnunet_uad.weights.leakage import Overlap, leakage_warning


def test_overlap_in_the_same_dataset_is_named():
    warning = leakage_warning(make_record(), "Dataset991_Tiny", ["b", "c"])
    assert warning.startswith("LEAKAGE: 1 validation case(s)") and " b." in warning


def test_overlap_of_identifiers_in_another_dataset_is_a_question():
    warning = leakage_warning(make_record(), "Dataset002_X", ["b"])
    assert warning.startswith("LEAKAGE? 1 validation case(s)") and "(Dataset991_Tiny) was trained on: b. " in warning


def test_no_overlap_no_warning():
    assert leakage_warning(make_record(), "Dataset991_Tiny", ["c"]) is None


def test_many_cases_are_abbreviated():
    cases = tuple(f"case{i:02d}" for i in range(25))
    assert "and 15 more" in leakage_warning(make_record(cases=cases), "Dataset991_Tiny", cases)


def test_what_any_of_several_weights_has_seen_counts():
    records = [make_record(cases=("a",)), make_record(cases=("b", "c"))]
    assert Overlap.of(records, ["c", "a", "x"]).cases == ("a", "c")
    assert not Overlap.of(records, ["x"]) and not Overlap.of([], ["a"])
    assert Overlap.between(["a"], ["a"]).finding("it", "So what.", "scan(s)") == (
        "LEAKAGE: 1 scan(s) were among the training cases of it: a. So what."
    )
