import pytest

from nnunet_uad.common.nnunet import dataset_folder, load_json, required_folder


def test_datasets_by_number_and_name(tmp_path, monkeypatch):
    monkeypatch.setenv("nnUNet_raw", str(tmp_path))
    (tmp_path / "Dataset007_Bond").mkdir()
    assert dataset_folder("nnUNet_raw", "7").name == dataset_folder("nnUNet_raw", "Dataset007_Bond").name
    with pytest.raises(ValueError, match=r"found 0. Datasets there: Dataset007_Bond"):
        dataset_folder("nnUNet_raw", "8")


def test_missing_things_name_what_makes_them(tmp_path, monkeypatch):
    monkeypatch.setenv("nnUNet_raw", str(tmp_path / "gone"))
    with pytest.raises(RuntimeError, match="which is no folder"):
        required_folder("nnUNet_raw")
    with pytest.raises(FileNotFoundError, match="Make it: do this"):
        load_json(tmp_path / "x.json", "do this")
