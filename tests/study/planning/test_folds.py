import json

import pytest

from nnunet_uad.study.planning.folds import append_splits, assign_indices, outer_splits


def fold(name, train="a"):
    return {"id": name, "train": [train], "val": ["v"]}


def test_new_folds_follow_and_known_ones_stay(tmp_path):
    path = tmp_path / "splits_final.json"
    splits = [{"train": ["a", "b"], "val": ["v"]}]
    path.write_text(json.dumps(splits))
    first = [fold("x"), fold("y", "b")]
    assign_indices(splits, first, {})
    append_splits(path, splits, first)
    assert [f["index"] for f in first] == [1, 2]
    written = json.loads(path.read_text())
    assert written[0] == splits[0] and written[2] == {"train": ["b"], "val": ["v"]}
    # Grown by one in the middle: y keeps its index.
    second = [fold("x"), fold("z", "b"), fold("y", "b")]
    assign_indices(written, second, {f["id"]: f for f in first})
    assert [f["index"] for f in second] == [1, 3, 2]
    stamp = path.stat().st_mtime_ns
    append_splits(path, written, first)
    assert path.stat().st_mtime_ns == stamp


def test_killed_between_the_plan_and_the_splits(tmp_path):
    path = tmp_path / "splits_final.json"
    splits = [{"train": ["a"], "val": ["v"]}]
    planned = [fold("x") | {"index": 1}, fold("y", "b") | {"index": 2}]
    again = [fold("x"), fold("y", "b")]
    assign_indices(splits, again, {f["id"]: f for f in planned})
    append_splits(path, splits, again)
    assert len(json.loads(path.read_text())) == 3


def test_changed_and_removed_entries_are_refused(tmp_path):
    known = {"x": fold("x") | {"index": 1}}
    with pytest.raises(ValueError, match="Fold 1, planned as x, holds other cases now"):
        assign_indices([{}, {"train": ["b"], "val": ["v"]}], [fold("x")], known)
    with pytest.raises(ValueError, match="holds other cases now"):
        assign_indices([{}, {"train": ["a"], "val": ["v"]}], [fold("x", "b")], known)
    with pytest.raises(ValueError, match="entries were removed"):
        append_splits(tmp_path / "s.json", [], [fold("x") | {"index": 1}])


def test_splits_are_those_that_nnunet_would_write(tiny_dataset, tmp_path):
    import tiny

    trainer = tiny.make_trainer("nnUNetTrainer")
    cases = [f"c{i:02d}" for i in range(11)]
    ours = outer_splits(tmp_path, cases)
    # nnU-Net, asked for the same cases without a splits file.
    (tmp_path / "theirs").mkdir()
    trainer.preprocessed_dataset_folder_base = str(tmp_path / "theirs")
    trainer.dataset_class = type("Cases", (), {"__init__": lambda self, *a, **k: setattr(self, "identifiers", cases)})
    trainer.fold = 3
    assert list(trainer.do_split()[1]) == ours[3]["val"]
    assert json.loads((tmp_path / "theirs" / "splits_final.json").read_text()) == ours
