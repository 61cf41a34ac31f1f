from weights_helpers import make_record

from nnunet_uad.weights.in_common import cases_in_common
from nnunet_uad.weights.record import BaseWeights

SALT, OTHER = 32 * "1", 32 * "2"


def both(one, other):
    return cases_in_common(one, other, ("ours", "theirs"))


def test_two_hashed_records_compare_by_their_images_alone_and_say_so():
    one = make_record(cases=("a", "b"), contents={"a": ("raw:1",), "b": ("raw:2",)})
    other = make_record(cases=("x", "b"), contents={"x": ("raw:1",), "b": ("raw:3",)})
    said = both(one.with_hidden_names(SALT), other.with_hidden_names(OTHER))
    first, second = said.split(" LEAKAGE? ")
    assert first == "LEAKAGE: ours and theirs were trained on the same images, 1 case(s)."
    assert "hashed with different salts, so only the images could be compared" in second
    # Where one of them is named, or the salt is the same, names are compared.
    for first, second in ((one, other.with_hidden_names(SALT)), (one.with_hidden_names(SALT), other), (one, other)):
        said = both(first, second)
        assert "different salts" not in said and "1 case(s) that are called alike" in said


def test_hashes_without_fingerprints_cannot_be_compared_and_nothing_else_is_said():
    one = make_record(cases=("a",), contents={"a": ("raw:1",)}).with_hidden_names(SALT)
    old = make_record(cases=("a",)).with_hidden_names(OTHER)
    for first, second in ((one, old), (old, one)):
        said = both(first, second)
        assert said.startswith("LEAKAGE? They could not be compared at all (ours and theirs)")
        assert "compared by name" not in said and "only the images" not in said and "in common" not in said
    # What the weights went on from can still be compared.
    base = make_record(cases=("b",), contents={"b": ("raw:1",)}).with_hidden_names(OTHER)
    grown = make_record(cases=("c",), bases=BaseWeights.chain("x", "1", "nnunet_uad", base)).with_hidden_names(OTHER)
    said = both(one, grown)
    assert "same images, 1 case(s)" in said and "Some of the trainings that they go back to could not" in said
    assert "so only the images could be compared" in said


def test_two_records_without_a_common_case():
    one, other = (make_record(cases=(c,), contents={c: (f"raw:{c}",)}) for c in "ab")
    assert both(one, other) == "ours and theirs have no case in common, neither by name nor by image."
    assert "compared by name" in both(make_record(cases=("x",)), other)


def test_what_weights_went_on_from_counts():
    base = make_record(cases=("a",), contents={"a": ("raw:1",)}).with_hidden_names(SALT)
    one = make_record(cases=("z",), bases=BaseWeights.chain("x", "1", "nnunet_uad", base))
    assert "same images, 1 case(s)" in both(one, make_record(cases=("y",), contents={"y": ("raw:1",)}))
    stranger = make_record(bases=BaseWeights.chain("x.pth", "1", "nnssl", None))
    assert "have no record of their cases" in both(stranger, one)
