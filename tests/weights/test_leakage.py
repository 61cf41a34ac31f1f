import json

import pytest
from weights_helpers import make_record

from nnunet_uad.weights.case_names import SeenCases
from nnunet_uad.weights.leakage import (
    Overlap,
    compared_by_name,
    leakage_warning,
    leakage_warnings,
    unknown_cases,
)
from nnunet_uad.weights.record import BaseWeights, PretrainRecord

SALT, OTHER = 32 * "1", 32 * "2"


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


RAW = {"a": ("raw:1", "data:1"), "b": ("raw:2", "data:2")}


@pytest.mark.parametrize("name", ["a", "A", " a", "a ", "a.nii.gz", "A.NII", "a.b2nd", "ａ"])
def test_a_name_that_was_changed_by_accident_is_the_same(name):
    assert Overlap.between(["a"], [name]).cases == (name,) and Overlap.between([name], ["a"]).cases == ("a",)
    assert not Overlap.between(["a"], ["a2"]) and not Overlap.between(["a"], ["b.nii.gz"])


@pytest.mark.parametrize("found", [("raw:1",), ("data:1",), ("raw:9", "data:1")])
def test_a_copy_is_found_by_its_images(found):
    overlap = Overlap.between(RAW, {"x": found})
    assert overlap.certain.cases == ("x",) and not overlap.suspected and overlap.named == "x (the images of a)"


def test_equal_names_of_other_scans_are_no_leak_between_datasets():
    assert not Overlap.between(RAW, {"a": ("raw:9",)}, same_dataset=False)
    assert Overlap.between(RAW, {"a": ("raw:9",)}).suspected.cases == ("a",)
    assert not Overlap.between(RAW, {"A": ("raw:9",)}) and not Overlap.between(RAW, {"A": ("data:9",)})
    assert Overlap.between({**RAW, "A": ()}, {"A": ("raw:9",)}).cases == ("A",)
    # Preprocessed with other plans the same scan is another array.
    assert Overlap.between(RAW, {"a": ("data:9",)}, same_dataset=False).suspected.cases == ("a",)
    assert Overlap.between(["a"], {"a": ("raw:9",)}, same_dataset=False)


def test_a_channel_that_all_cases_share_tells_nothing():
    seen = {c: (f"raw:{c}", "raw:atlas") for c in "abcd"}
    assert not Overlap.between(seen, {"x": ("raw:x", "raw:atlas")})
    assert Overlap.between(seen, {"x": ("raw:b", "raw:atlas")}).copies == (("x", "b"),)


def test_certain_and_suspected_are_said_apart():
    overlap = Overlap.between({"a": ("raw:1",), "b": ()}, {"c": ("raw:1",), "b": ()})
    assert overlap.in_words("it", "the scores are too good") == (
        "LEAKAGE: 1 case(s) were among the training cases of it: c (the images of a). The scores are too good. "
        "LEAKAGE? 1 case(s) carry identifiers that it was trained on: b. If they are the same scans, the scores are "
        "too good."
    )
    assert Overlap(()).in_words("it", "x") == "" and "'b '" in Overlap(("b ",)).named


def test_records_of_earlier_versions_are_compared_by_name():
    written = json.loads(make_record().to_json())
    del written["contents"]
    record = PretrainRecord.from_json(json.dumps(written))
    assert leakage_warning(record, "Dataset991_Tiny", {"b": ("raw:1",)})
    with_contents = make_record(contents={"a": ("raw:1",)})
    assert PretrainRecord.from_json(with_contents.to_json()) == with_contents
    assert "x (the images of a)" in leakage_warning(with_contents, "Dataset002_X", {"x": ("raw:1",)})
    assert "compared by name" in compared_by_name("it")
    assert unknown_cases("it", "so what").startswith("LEAKAGE? It is not known which cases it saw")


def test_what_weights_went_on_from_has_seen_its_cases_for_them():
    first = make_record(dataset="Dataset001_DU", cases=("a",), contents={"a": ("raw:1",)})
    second = make_record(cases=("b",), bases=BaseWeights.chain("x.safetensors", "1", "nnunet_uad", first))
    third = make_record(cases=("c",), bases=BaseWeights.chain("y.safetensors", "2", "nnunet_uad", second))
    measured = {"x": ("raw:1",), "b": (), "a": ("raw:9",)}
    overlap = Overlap.of([third], measured)
    # The scan that another hospital calls a is another one.
    assert overlap.cases == ("b", "x") and overlap.copies == (("x", "a"),)
    own, earlier = leakage_warnings(third, "Dataset991_Tiny", measured)
    assert "1 validation case(s) of this fold were among the training cases of nnUNetPretrainerDAE (fold 0): b" in own
    assert "training cases of nnUNetPretrainerDAE (Dataset001_DU): x (the images of a)" in earlier
    assert not leakage_warnings(third, "Dataset991_Tiny", {"z": ("raw:7",)})


def test_weights_that_went_on_from_strangers_are_not_known():
    record = make_record(bases=BaseWeights.chain("openmind.pth", "1", "nnssl", None))
    (said,) = leakage_warnings(record, record.dataset, ["z"])
    assert said.startswith("LEAKAGE? It is not known which cases openmind.pth, from which nnUNetPretrainerDAE went on")


def test_what_is_certain_in_one_overlap_is_certain():
    copy, name = Overlap(("a",), (("a", "b"),)), Overlap(("a", "c"))
    for joined in (copy.joined([name]), name.joined([copy])):
        assert joined.certain.cases == ("a",) and joined.suspected.cases == ("c",)


@pytest.mark.parametrize("case", ["b", "B.nii.gz", " b"])
def test_hashed_records_name_the_cases_that_are_measured(case):
    record = make_record(contents={"a": ("raw:1",)}).with_hidden_names(SALT)
    assert "b" not in record.cases and record.names_in_clear is False
    assert f"training cases of nnUNetPretrainerDAE (fold 0): {case}." in leakage_warning(
        record, "Dataset991_Tiny", [case]
    ).replace("' b'", " b")
    warning = leakage_warning(record, "Dataset002_X", {"x": ("raw:1",)})
    assert "x (the images of a case whose name the weights keep as a hash)" in warning
    assert leakage_warning(record, "Dataset991_Tiny", ["c"]) is None


@pytest.mark.parametrize("same_dataset", [True, False])
@pytest.mark.parametrize(
    "measured",
    [
        {"a": ("raw:1",)},
        {"x": ("raw:1",)},
        {"A": ("raw:9",)},
        {"a": ("raw:9",)},
        {"a": ("data:9",), "b": ("raw:2",)},
        {"a": (), "c": ()},
    ],
)
def test_hashes_find_what_names_find(measured, same_dataset):
    clear = Overlap.between(RAW, measured, same_dataset)
    hidden = Overlap.between(SeenCases.of(RAW).hidden(SALT), measured, same_dataset)
    assert (hidden.cases, hidden.certain.cases) == (clear.cases, clear.certain.cases)


def test_hashed_records_that_went_on_from_hashed_ones():
    base = make_record(dataset="Dataset002_X", contents={"b": ("raw:2",)}, cases=("b",)).with_hidden_names(OTHER)
    record = make_record(cases=("a",), bases=BaseWeights.chain("x", "1", "nnunet_uad", base)).with_hidden_names(SALT)
    assert [seen.salt for seen in record.lineage] == [SALT, OTHER] and not record.names_in_clear
    assert PretrainRecord.from_json(record.to_json()) == record
    assert Overlap.of([record], {"y": ("raw:2",), "a": ()}).certain.cases == ("y",)
    assert len(leakage_warnings(record, "Dataset002_X", ["a", "b"])) == 2
