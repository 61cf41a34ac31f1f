"""Which folds reconstruct which case; the dataset that is written: tests/cli/test_append_residuals.py."""

import pytest
from weights_helpers import make_record

from nnunet_uad.inference.append_residuals import unseen_folds
from nnunet_uad.weights.safe_file import FILE_NAME, write_pretrained


@pytest.fixture
def folds(tmp_path):
    """Two folds: one has seen a and b, the other b and c."""
    folders = []
    for name, cases in {"fold_0": ("a", "b"), "fold_1": ("b", "c")}.items():
        folders.append(tmp_path / name)
        folders[-1].mkdir()
        write_pretrained(folders[-1] / FILE_NAME, {}, make_record(cases=cases))
    return folders


def test_a_case_is_reconstructed_by_all_folds_that_have_not_seen_it(folds):
    assert unseen_folds(["a", "c", "d"], folds) == {"a": (folds[1],), "c": (folds[0],), "d": tuple(folds)}


def test_a_case_that_every_fold_has_seen_is_refused(folds):
    with pytest.raises(ValueError, match=r"LEAKAGE: 1 case.* training cases of every fold \(fold_0, fold_1\): b\."):
        unseen_folds(["a", "b"], folds)


def test_a_fold_of_which_nobody_knows_what_it_has_seen_is_refused(folds):
    (folds[1] / FILE_NAME).unlink()
    with pytest.raises(ValueError, match=r"fold_1 of .* lacks pretrained.safetensors"):
        unseen_folds(["a"], folds)
