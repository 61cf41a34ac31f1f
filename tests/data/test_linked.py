import json

from nnunet_uad.data.linked import link_preprocessed


def test_data_are_linked_and_splits_are_ones_own(tmp_path):
    source = tmp_path / "pre" / "Dataset001_A"
    (source / "plans_2d").mkdir(parents=True)
    (source / "plans_2d" / "a.pkl").write_text("x")
    (source / "splits_final.json").write_text('["old"]')
    target = link_preprocessed(source, tmp_path / "mine", [{"train": ["a"], "val": []}])
    assert (target / "plans_2d" / "a.pkl").read_text() == "x"
    assert (target / "plans_2d").is_symlink()
    assert json.loads((target / "splits_final.json").read_text()) == [{"train": ["a"], "val": []}]
    assert (source / "splits_final.json").read_text() == '["old"]'
    link_preprocessed(source, tmp_path / "mine", [])
