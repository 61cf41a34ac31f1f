"""Two variants of the plans, trained with the stock commands: folders of their own, no environment variable."""

import json
import os
from pathlib import Path

import pytest
import tiny
import torch
from stock import LENGTH, predict

from nnunet_uad.cli.main import main

PRETRAINER, TUNED = f"nnUNetPretrainerDAE{LENGTH}", f"nnUNetTrainerDAEPretrained{LENGTH}"
PLANS = {"nnUNetPlans_strong": "[2,4]", "nnUNetPlans_weak": "[0.1,0.2]"}


@pytest.fixture
def variants(workplace, results, monkeypatch):
    """The two plans, in a copy of the tiny dataset."""
    monkeypatch.delenv("nnUNet_uad_settings", raising=False)
    for name, noise in PLANS.items():
        words = ["settings", "-d", tiny.NUMBER, "--name", name, f"noise_std={noise}", "sampling=anywhere"]
        assert main(words) == 0
        # Fine-tuning from this pretraining at another rate than the pretraining's.
        words = ["settings", "-d", tiny.NUMBER, "-p", name, "--name", name, "--overwrite"]
        assert main([*words, "-tr", "nnUNetTrainerDAEPretrained", "learning_rate=0.02"]) == 0
    return PLANS


def stored(fold: Path) -> dict:
    content = torch.load(fold / "checkpoint_final.pth", weights_only=True)
    return content["init_args"]["plans"]["nnunet_uad"]


def log(fold: Path) -> str:
    return "".join(p.read_text() for p in fold.glob("training_log_*.txt"))


def test_variants_have_folders_of_their_own_and_go_on_without_the_variable(variants, monkeypatch, tmp_path, capsys):
    preprocessed = sorted(p.name for p in (tmp_path / "preprocessed" / tiny.DATASET).iterdir() if p.is_dir())
    folds = {name: tiny.run_training(PRETRAINER, plans=name) for name in PLANS}
    assert folds["nnUNetPlans_strong"].parent.name == f"{PRETRAINER}__nnUNetPlans_strong__2d_tiny"
    assert stored(folds["nnUNetPlans_strong"])["settings"]["noise_std"] == [2.0, 4.0]
    assert stored(folds["nnUNetPlans_weak"])["settings"]["noise_std"] == [0.1, 0.2]
    shown = json.loads((folds["nnUNetPlans_strong"].parent / "plans.json").read_text())["nnunet_uad"]["settings"]
    assert shown["noise_std"] == [2, 4]
    assert "noise_std from plans nnUNetPlans_strong" in log(folds["nnUNetPlans_strong"])
    # Nothing was preprocessed again.
    assert sorted(p.name for p in (tmp_path / "preprocessed" / tiny.DATASET).iterdir() if p.is_dir()) == preprocessed

    for flags in ({"continue_training": True}, {"only_run_validation": True}):
        tiny.run_training(PRETRAINER, plans="nnUNetPlans_strong", **flags)
    monkeypatch.setenv("nnUNet_uad_settings", "noise_std=[5,6]")
    with pytest.raises(
        RuntimeError, match=r"noise_std=\[5.0,6.0\] from nnUNet_uad_settings.*noise_std=\[2.0,4.0\]'? nn"
    ):
        tiny.run_training(PRETRAINER, plans="nnUNetPlans_strong", continue_training=True)
    monkeypatch.delenv("nnUNet_uad_settings")

    tuned = tiny.run_training(TUNED, plans="nnUNetPlans_strong")
    source = json.loads((tuned / "transfer.json").read_text())["source"]
    assert Path(source).parent == folds["nnUNetPlans_strong"]
    # What is for the pretrainer is passed over, what is for this trainer alone holds.
    assert stored(tuned)["settings"]["learning_rate"] == 0.02 and "noise_std" not in stored(tuned)["settings"]
    assert stored(folds["nnUNetPlans_strong"])["settings"]["learning_rate"] == 0.001
    assert predict(TUNED, tmp_path / "out", plans="nnUNetPlans_strong").shape == tiny.SHAPE
    images = Path(os.environ["nnUNet_raw"]) / tiny.DATASET / "imagesTs"
    flags = f"-d {tiny.DATASET} -c 2d_tiny -tr {PRETRAINER} -p nnUNetPlans_strong -f 0 -device cpu -npp 1 -nps 1"
    assert main(["predict", "-i", str(images), "-o", str(tmp_path / "maps"), *flags.split()]) == 0
    assert (tmp_path / "maps" / "test_map.nii.gz").is_file()
    # Plain nnU-Net gets plain plans.
    zipped = tmp_path / "stock.zip"
    flags = f"-d {tiny.DATASET} -c 2d_tiny -tr {TUNED} -p nnUNetPlans_strong -f 0 --stock -o {zipped}"
    assert main(["export", *flags.split()]) == 0


def test_changed_plans_are_refused_to_go_on_with(variants, monkeypatch):
    tiny.run_training(PRETRAINER, plans="nnUNetPlans_weak")
    words = ["settings", "-d", tiny.NUMBER, "--name", "nnUNetPlans_weak", "--overwrite"]
    assert main([*words, "noise_std=[3,4]", "sampling=anywhere"]) == 0
    with pytest.raises(RuntimeError, match=r"noise_std=\[3.0,4.0\] from plans nnUNetPlans_weak"):
        tiny.run_training(PRETRAINER, plans="nnUNetPlans_weak", continue_training=True)


def test_mistakes_in_plans_are_told_with_their_name(variants, workplace):
    path = workplace.source / "nnUNetPlans_weak.json"
    plans = json.loads(path.read_text())
    plans["nnunet_uad"]["settings"]["noise_std"] = "loud"
    path.write_text(json.dumps(plans))
    with pytest.raises(ValueError, match="plans nnUNetPlans_weak: noise_std expects a value like"):
        tiny.make_trainer(PRETRAINER, plans="nnUNetPlans_weak")


def test_a_frozen_restorer_and_settings_share_the_plans(variants, tmp_path):
    residual = f"nnUNetTrainerDAEResidual{LENGTH}"
    plans = "nnUNetPlans_strong"
    tiny.run_training(PRETRAINER, plans=plans)
    fold = tiny.run_training(residual, plans=plans)
    tiny.run_training(residual, plans=plans, continue_training=True)
    block = json.loads((fold.parent / "plans.json").read_text())["nnunet_uad"]
    assert set(block) == {"settings", "version", "restorer"}
    assert set(stored(fold)) == {"settings", "seed", "restorer"}
    assert predict(residual, tmp_path / "out", plans=plans).shape == tiny.SHAPE
