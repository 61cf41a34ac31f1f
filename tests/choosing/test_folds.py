import json

import pytest

from nnunet_uad.choosing.folds import InnerFolds, make_inner_folds

CASES = ["a", "b", "c", "d", "e", "f", "g", "h"]


def write(folder, splits=None, unlabelled=()):
    if splits is not None:
        (folder / "splits_final.json").write_text(json.dumps(splits))
    (folder / "unlabelled_cases.json").write_text(json.dumps(sorted(unlabelled)))


def splits_in(folder):
    return json.loads((folder / "splits_final.json").read_text())


def test_the_datasets_own_folds_are_taken_where_they_test_every_labelled_case(tmp_path):
    own = [{"train": CASES[1:], "val": ["a"]}, {"train": ["a", *CASES[2:]], "val": ["b"]}]
    write(tmp_path, own, unlabelled=CASES[2:])
    folds = make_inner_folds(tmp_path, CASES)
    assert folds == InnerFolds((0, 1), ("a", "b"), 6) and folds.shared
    assert splits_in(tmp_path) == own


def test_else_new_ones_are_appended_once_and_belong_to_nobody_else(tmp_path):
    own = [{"train": CASES[4:], "val": CASES[:4]}, {"train": CASES[:4], "val": CASES[4:]}]
    write(tmp_path, own, unlabelled=CASES[3:])
    folds = make_inner_folds(tmp_path, CASES)
    assert folds.indices == (2, 3, 4) and folds.labelled == ("a", "b", "c") and not folds.shared
    assert [s["val"] for s in splits_in(tmp_path)[2:]] == [["a"], ["b"], ["c"]]
    # Cases without labels are there to be pretrained on.
    assert splits_in(tmp_path)[2]["train"] == CASES[1:]
    assert json.loads((tmp_path / "nnunet_uad_appended_folds.json").read_text()) == [2, 3, 4]
    assert make_inner_folds(tmp_path, CASES) == folds and len(splits_in(tmp_path)) == 5
    # Nor are the folds that rungs append for their trainings taken for the dataset's own.
    rungs = [{"train": [c for c in CASES[:3] if c != test], "val": [test]} for test in CASES[:3]]
    write(tmp_path, [*splits_in(tmp_path), *rungs], unlabelled=CASES[3:])
    assert make_inner_folds(tmp_path, CASES) == folds


def test_two_folds_for_five_labels_are_too_few(tmp_path):
    own = [{"train": CASES[3:], "val": CASES[:3]}, {"train": CASES[:3], "val": CASES[3:]}]
    write(tmp_path, own, unlabelled=CASES[5:])
    assert make_inner_folds(tmp_path, CASES).indices == (2, 3, 4, 5, 6)


def test_a_single_label_is_refused(tmp_path):
    write(tmp_path, [], unlabelled=CASES[1:])
    with pytest.raises(
        ValueError, match=r"has 1 labelled case\(s\). Inner folds need at least 2.* Label 1 more .*, or train"
    ):
        make_inner_folds(tmp_path, CASES)
