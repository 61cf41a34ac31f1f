import json
from pathlib import Path

import pytest

from nnunet_uad.common.nnunet import (
    ModelFolder,
    channel_names,
    dataset_folder,
    load_json,
    required_folder,
    resolved_configuration,
    usable_configuration,
)


def test_datasets_by_number_and_name(tmp_path, monkeypatch):
    monkeypatch.setenv("nnUNet_raw", str(tmp_path))
    (tmp_path / "Dataset007_Bond").mkdir()
    assert dataset_folder("nnUNet_raw", "7").name == dataset_folder("nnUNet_raw", "Dataset007_Bond").name
    for name in ("8", "Dataset*", "/etc", "../x", "²", "dataset007_bond", "*", "", "9" * 5000):
        with pytest.raises(ValueError, match=r"found 0. Datasets there: Dataset007_Bond"):
            dataset_folder("nnUNet_raw", name)
    (tmp_path / "Dataset008_[a] {b}").mkdir()
    assert dataset_folder("nnUNet_raw", "8") == dataset_folder("nnUNet_raw", "Dataset008_[a] {b}")


def test_missing_things_name_what_makes_them(tmp_path, monkeypatch):
    monkeypatch.setenv("nnUNet_raw", str(tmp_path / "gone"))
    with pytest.raises(RuntimeError, match="which is no folder"):
        required_folder("nnUNet_raw")
    with pytest.raises(FileNotFoundError, match="Make it: do this"):
        load_json(tmp_path / "x.json", "do this")
    (tmp_path / "x.json").write_text('{"cut')
    with pytest.raises(ValueError, match=r"x\.json is not valid JSON: Unterminated.*Make it: do this"):
        load_json(tmp_path / "x.json", "do this")


def test_a_configuration_inherits_as_in_nnunet(tiny_dataset):
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    plans = json.loads((tiny_dataset / "nnUNetPlans.json").read_text())
    plans["configurations"]["deeper"] = {"inherits_from": "2d_tiny", "batch_size": 3}
    theirs = PlansManager(plans).get_configuration("deeper").configuration
    ours = resolved_configuration(plans, "deeper")
    assert {k: ours[k] for k in theirs if k != "inherits_from"} == {
        k: v for k, v in theirs.items() if k != "inherits_from"
    }


def test_a_models_folder_is_named_as_nnunet_names_it():
    from nnunetv2.paths import nnUNet_results
    from nnunetv2.utilities.file_path_utilities import get_output_folder

    model = ModelFolder(Path(nnUNet_results), "Dataset007_Bond", "nnUNetPretrainerDAE_2epochs", "nnUNetPlans", "2d")
    stock = get_output_folder(model.dataset, model.trainer, model.plans, model.configuration, fold=3)
    assert model.fold(3) == Path(stock) and model.fold("all").name == "fold_all"
    assert ModelFolder.from_path(model.path) == model


def test_another_folder_is_no_model(tmp_path):
    with pytest.raises(ValueError, match=r"Expected the folder of a model.*found .*fold_0"):
        ModelFolder.from_path(tmp_path / "fold_0")


def test_channels_keep_the_order_of_the_file():
    assert channel_names({"channel_names": {"0": "FLAIR", "1": "T1", "2": 2}}) == ("FLAIR", "T1", "2")


def test_broken_inheritance_is_told():
    plans = {"plans_name": "p", "configurations": {"a": {"inherits_from": "b"}, "b": {"inherits_from": "a"}}}
    with pytest.raises(ValueError, match="plans p are broken: a → b inherits from itself"):
        resolved_configuration(plans, "a")
    plans["configurations"]["b"] = {"inherits_from": "gone"}
    with pytest.raises(ValueError, match="a → b inherits from 'gone', which they do not have"):
        resolved_configuration(plans, "a")
    plans["configurations"]["b"] = {"data_identifier": "x", "spacing": [-1], "patch_size": [8], "batch_size": 2}
    with pytest.raises(ValueError, match="plans p: a: spacing expects a number in"):
        usable_configuration(plans, "a")
