import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunet_uad.training.cases import (
    CASES_FILE,
    TrainedCases,
    changed_cases,
    copies_within,
    refuse_impossible_split,
    refuse_other_cases,
)

CONTENTS = {"a": ("raw:1", "array:1"), "b": ("raw:2", "array:2"), "c": ("raw:3", "array:3")}


def fold(train="ab", val="c", number="0", **changes):
    contents = {**CONTENTS, **changes}
    return TrainedCases.of("Dataset991_Tiny", number, ([*train], [*val]), contents)


def test_the_file_says_what_was_trained_on(tmp_path):
    assert TrainedCases.read(tmp_path) is None
    fold().write(tmp_path)
    assert TrainedCases.read(tmp_path) == fold() and fold().train == {"a": CONTENTS["a"], "b": CONTENTS["b"]}


@pytest.mark.parametrize("content", ["", "[]", "{", '{"dataset": 3}', '{"dataset": "D", "fold": "0", "train": ["a"]}'])
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / CASES_FILE).write_text(content)
    with pytest.raises(ValueError, match=r"training_cases\.json.* not known which cases"):
        TrainedCases.read(tmp_path)


@pytest.mark.parametrize("val", ["b", "B", "b ", "b.nii.gz"])
def test_a_fold_that_is_validated_on_training_cases_is_refused(tmp_path, val):
    cases = TrainedCases.of("D", "0", (["a", "b"], [val]), {})
    with pytest.raises(ValueError, match=r"LEAKAGE: 1 validation case\(s\) were among the training cases of fold 0"):
        refuse_impossible_split(cases, ["a", "b", val], tmp_path / "splits_final.json")
    # Where upper case makes two cases, their images say so.
    other = TrainedCases("D", "0", {"B": ("data:1",)}, {"b": ("data:2",)})
    refuse_impossible_split(other, ["b", "B"], tmp_path)
    refuse_impossible_split(TrainedCases.of("D", "all", (["a"], ["a"]), {}), ["a"], tmp_path)


@pytest.mark.parametrize("name", ["b.nii.gz", "b ", "B", "missing"])
def test_cases_that_are_not_there_are_named(tmp_path, name):
    with pytest.raises(ValueError, match=f"names cases that are not preprocessed: '{name}'"):
        refuse_impossible_split(TrainedCases.of("D", "0", (["a", name], ["c"]), {}), ["a", "b", "c"], tmp_path)


def test_copies_across_a_split_are_said():
    assert not copies_within(fold())
    assert "c (the images of a)" in copies_within(fold(c=("raw:1",)))
    assert not copies_within(fold(number="all", c=("raw:1",)))


@settings(deadline=None, max_examples=20)
@given(train=st.sets(st.sampled_from("abcde"), min_size=1), val=st.sets(st.sampled_from("abcde"), min_size=1))
def test_only_the_same_cases_may_go_on(train, val):
    now, begun = fold(sorted(train), sorted(val)), fold()
    assert (not changed_cases(begun.train, now.train, "x") + changed_cases(begun.val, now.val, "x")) == (now == begun)


@pytest.mark.parametrize(
    ("now", "message"),
    [
        (fold("ac", "b"), "trained on now: 'c'; no longer trained on: 'b'; validated on now: 'b'"),
        (fold(a=("raw:1", "array:9")), "trained on with other images: 'a'"),
    ],
)
def test_other_cases_are_refused(tmp_path, now, message):
    fold().write(tmp_path)
    said = []
    refuse_other_cases(tmp_path, fold(a=("array:1",)), tmp_path / "s.json", said.append)
    with pytest.raises(RuntimeError, match=f"LEAKAGE: fold 0 of Dataset991_Tiny was begun with other .*{message}"):
        refuse_other_cases(tmp_path, now, tmp_path / "s.json", said.append)
    assert not said


def test_a_missing_file_is_said(tmp_path):
    said = []
    refuse_other_cases(tmp_path, fold(), tmp_path / "s.json", said.append)
    assert len(said) == 1 and "WARNING: LEAKAGE? It is not known which cases the first epochs" in said[0]
    assert json.dumps(said)
