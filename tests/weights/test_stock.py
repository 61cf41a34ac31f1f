"""The zip of a fine-tuned model that stock nnU-Net installs."""

import json
import zipfile
from pathlib import Path

import pytest
import tiny
import torch

from nnunet_uad.weights.stock import write_stock_model

NAME = "nnUNetTrainerFromScratch_1epochs_1iters"


@pytest.fixture
def model(tiny_dataset, results):
    trainer = tiny.make_trainer(NAME)
    trainer.run_training()
    return Path(trainer.output_folder).parent


def test_everything_is_said_to_be_nnunettrainers(model, tmp_path):
    target = write_stock_model(model, ["0"], "checkpoint_final.pth", tmp_path / "model.zip")
    with zipfile.ZipFile(target) as archive:
        archive.extractall(tmp_path / "out")
        folder = tmp_path / "out" / tiny.DATASET / "nnUNetTrainer__nnUNetPlans__2d_tiny"
        names = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert {"fold_0/checkpoint_final.pth", "plans.json", "dataset.json"} <= names
    assert "nnunet_uad" not in json.loads((folder / "plans.json").read_text())
    written = torch.load(folder / "fold_0" / "checkpoint_final.pth", weights_only=True)
    before = torch.load(model / "fold_0" / "checkpoint_final.pth", weights_only=True)
    assert written["trainer_name"] == "nnUNetTrainer" and "nnunet_uad" not in written["init_args"]["plans"]
    assert written["optimizer_state"] is None and written["grad_scaler_state"] is None
    assert all(torch.equal(tensor, written["network_weights"][n]) for n, tensor in before["network_weights"].items())


def test_a_fold_without_its_checkpoint_is_named(model, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"fold_1/checkpoint_final\.pth\. Train the fold first"):
        write_stock_model(model, ["0", "1"], "checkpoint_final.pth", tmp_path / "model.zip")
    assert not list(tmp_path.glob("*.zip"))


def test_weights_of_another_network_are_refused(model, tmp_path):
    path = model / "fold_0" / "checkpoint_final.pth"
    content = torch.load(path, weights_only=True)
    content["network_weights"]["restorer.network.weight"] = torch.zeros(1)
    torch.save(content, path)
    with pytest.raises(ValueError, match="is not the plan's own network.*nnUNetv2_export_model_to_zip"):
        write_stock_model(model, ["0"], "checkpoint_final.pth", tmp_path / "model.zip")
    assert not list(tmp_path.glob("*.zip"))


@pytest.mark.parametrize("keep", [False, True])
def test_names_of_cases_stay_at_home_unless_somebody_wants_them(model, tmp_path, keep):
    (model / "fold_0" / "validation").mkdir()
    case = {"metrics": {"1": {"Dice": 0.5}}, "prediction_file": f"/a/{tiny.LESION[2]}.nii.gz", "reference_file": "/b"}
    summary = {"metric_per_case": [case], "mean": {"1": {"Dice": 0.5}}, "foreground_mean": {"Dice": 0.5}}
    (model / "fold_0" / "validation" / "summary.json").write_text(json.dumps(summary))
    dataset = json.loads((model / "dataset.json").read_text())
    named = {**dataset, "training": [{"image": f"{tiny.LESION[0]}.nii.gz"}]}
    (model / "dataset.json").write_text(json.dumps(named))
    target = write_stock_model(model, ["0"], "checkpoint_final.pth", tmp_path / "model.zip", keep_names=keep)
    with zipfile.ZipFile(target) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    names = [name.encode() for name in (*tiny.HEALTHY, *tiny.LESION)]
    assert any(name in held for name in names for held in content.values()) == keep
    (written,) = [json.loads(held) for name, held in content.items() if name.endswith("summary.json")]
    assert written["foreground_mean"] == {"Dice": 0.5} and written["metric_per_case"][0]["metrics"] == case["metrics"]
