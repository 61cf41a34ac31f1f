import json

import pytest

from nnunet_uad.data.splits import ensure_splits


def test_few_cases_get_leave_one_out(tmp_path):
    assert ensure_splits(tmp_path, ["b", "a", "c"]) == 3
    splits = json.loads((tmp_path / "splits_final.json").read_text())
    assert sorted(s["val"][0] for s in splits) == ["a", "b", "c"]
    assert all(set(s["train"]) | set(s["val"]) == {"a", "b", "c"} for s in splits)
    assert all(not set(s["train"]) & set(s["val"]) for s in splits)


def test_existing_and_large_datasets_are_left_to_nnunet(tmp_path):
    assert ensure_splits(tmp_path, list("abcde")) is None
    assert not (tmp_path / "splits_final.json").exists()
    (tmp_path / "splits_final.json").write_text("[]")
    assert ensure_splits(tmp_path, ["a", "b"]) is None
    assert (tmp_path / "splits_final.json").read_text() == "[]"


def test_a_single_case_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Train on everything instead"):
        ensure_splits(tmp_path, ["a"])
