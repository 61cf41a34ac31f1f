"""The stock commands, in this process: train, --c, --val, predict, find the best, export, import."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from stock import LENGTH, predict


@pytest.mark.parametrize(("method", "configuration"), [("DAE", "2d_tiny"), ("MAE", "3d_tiny")])
def test_both_stages(tiny_dataset, results, tmp_path, monkeypatch, method, configuration):
    # In 3D eight mirrored images take most of the time; in 2D they are used.
    mirroring = "mirroring=false" if configuration == "3d_tiny" else ""
    monkeypatch.setenv("nnUNet_uad_settings", f"sampling=anywhere {mirroring}")
    pretrained = tiny.run_training(f"nnUNetPretrainer{method}{LENGTH}", configuration)
    assert (pretrained / "pretrained.safetensors").exists()
    maps = sorted(p.name for p in (pretrained / "validation").glob("*_map.nii.gz"))
    assert maps == [f"{c}_map.nii.gz" for c in tiny.LESION[2:]]
    for flags in ({"continue_training": True}, {"only_run_validation": True}):
        shutil.rmtree(pretrained / "validation")
        tiny.run_training(f"nnUNetPretrainer{method}{LENGTH}", configuration, **flags)
        assert (pretrained / "validation" / "summary.json").exists()
    monkeypatch.setenv("nnUNet_uad_settings", mirroring)

    tuned_name = f"nnUNetTrainer{method}Pretrained{LENGTH}"
    tuned = tiny.run_training(tuned_name, configuration)
    assert json.loads((tuned / "transfer.json").read_text())["share"]["all_but_heads"] == 1.0
    shutil.rmtree(pretrained.parent)
    for flags in ({"continue_training": True}, {"only_run_validation": True}):
        shutil.rmtree(tuned / "validation")
        tiny.run_training(tuned_name, configuration, **flags)
        summary = json.loads((tuned / "validation" / "summary.json").read_text())
        assert len(summary["metric_per_case"]) == 2
    segmentation = predict(tuned_name, tmp_path / "out", configuration)
    assert segmentation.shape == tiny.SHAPE and set(np.unique(segmentation)) <= {0, 1, 2}


def test_from_scratch(tiny_dataset, results, tmp_path):
    name = f"nnUNetTrainerFromScratch{LENGTH}"
    tiny.run_training(name)
    tiny.run_training(name, only_run_validation=True)
    tiny.run_training(name, continue_training=True)
    assert predict(name, tmp_path / "out", processes=1).shape == tiny.SHAPE


def test_a_pretrainer_cannot_segment(dae_fold, tmp_path):
    with pytest.raises(RuntimeError, match=r"nnUNetv2_predict … -tr nnUNetTrainerDAEPretrained"):
        predict("nnUNetPretrainerDAE_2epochs_3iters", tmp_path / "out")


def test_pretraining_on_all_cases_is_leakage_and_said(tiny_dataset, results):
    tiny.run_training(f"nnUNetPretrainerDAE{LENGTH}", fold="all")
    trainer = tiny.make_trainer(f"nnUNetTrainerDAEPretrained{LENGTH}")
    trainer.on_train_start()
    text = Path(trainer.log_file).read_text()
    assert "LEAKAGE: 2 validation case(s) of this fold were among the training cases" in text
    assert "fold all, another training length" in text


def test_find_best_export_and_import_elsewhere(dae_fold, results, tmp_path, monkeypatch):
    """The fine-tuned model stands alone: exported, imported where nothing else is, it predicts the same."""
    from nnunetv2.evaluation.find_best_configuration import find_best_configuration
    from nnunetv2.model_sharing.model_export import export_pretrained_model
    from nnunetv2.model_sharing.model_import import install_model_from_zip_file

    name = f"nnUNetTrainerDAEPretrained{LENGTH}"
    monkeypatch.setenv("nnUNet_uad_pretrained", str(dae_fold / "pretrained.safetensors"))
    tiny.run_training(name)
    monkeypatch.delenv("nnUNet_uad_pretrained")
    best = find_best_configuration(
        tiny.DATASET,
        ({"plans": "nnUNetPlans", "configuration": "2d_tiny", "trainer": name},),
        num_processes=1,
        folds=(0,),
    )
    assert best["best_model_or_ensemble"]["selected_model_or_models"][0]["trainer"] == name
    before = predict(name, tmp_path / "before")
    export_pretrained_model(tiny.DATASET, str(tmp_path / "model.zip"), ("2d_tiny",), name, "nnUNetPlans", (0,))
    monkeypatch.setenv("nnUNet_results", str(tmp_path / "elsewhere"))
    (tmp_path / "elsewhere").mkdir()
    install_model_from_zip_file(str(tmp_path / "model.zip"))
    assert not list((tmp_path / "elsewhere").rglob("pretrained.safetensors"))
    assert np.array_equal(predict(name, tmp_path / "after"), before)


def test_the_fine_tuned_network_is_the_stock_network(dae_fold, results, monkeypatch):
    """Its checkpoint loads strictly into what plain nnU-Net builds."""
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    monkeypatch.setenv("nnUNet_uad_pretrained", str(dae_fold / "pretrained.safetensors"))
    fold = tiny.run_training(f"nnUNetTrainerDAEPretrained{LENGTH}")
    checkpoint = torch.load(fold / "checkpoint_final.pth", weights_only=True)
    trainer = tiny.make_trainer("nnUNetTrainer")
    network = nnUNetTrainer.build_network_architecture(
        trainer.plans_manager, trainer.configuration_manager, 2, 3, False
    )
    network.load_state_dict(checkpoint["network_weights"])
    plans = json.loads((fold.parent / "plans.json").read_text())
    assert "nnunet_uad" not in plans


LABELS = {
    "regions": ({"background": 0, "whole": [1, 2], "core": [2]}, 992),
    "ignore": ({"background": 0, "lesion": 1, "ignore": 2}, 993),
}


@pytest.mark.parametrize("kind", LABELS)
def test_regions_and_the_ignore_label(kind, tiny_dataset, results, tmp_path, monkeypatch):
    labels, number = LABELS[kind]
    name = f"Dataset{number}_{kind.title()}"
    tiny.write_raw(Path(os.environ["nnUNet_raw"]), name, labels)
    tiny.plan_and_preprocess(number, name)
    tiny.run_training(f"nnUNetPretrainerDAE{LENGTH}", number=str(number))
    tuned = tiny.run_training(f"nnUNetTrainerDAEPretrained{LENGTH}", number=str(number))
    summary = json.loads((tuned / "validation" / "summary.json").read_text())
    assert len(summary["metric_per_case"]) == 2
    predicted = predict(f"nnUNetTrainerDAEPretrained{LENGTH}", tmp_path / "out", name=name)
    assert predicted.shape == tiny.SHAPE
    check_synthetic_anomalies(kind, str(number))
    check_lesion_bank(kind, str(number), monkeypatch)


def check_synthetic_anomalies(kind: str, number: str) -> None:
    """Mixed batches: the share of healthy patches, and anomalies in them with the lowest label or in its regions."""
    # Without the maps of the validation, which nobody looks at here.
    tiny.make_trainer("nnUNetPretrainerDDPM_1epochs_1iters", number=number).run_training()
    trainer = tiny.make_trainer("nnUNetTrainerDiffusionResidualSynthetic_1epochs_1iters", number=number)
    trainer.run_training()
    healthy, marked = [], 0
    for _ in range(8):
        batch = next(trainer.dataloader_train)
        synthetic = [str(key).startswith("healthy patch of") for key in batch["keys"]]
        target = batch["target"][0]
        assert int(target.max()) <= (1 if kind == "regions" else 2)
        marked += int((target[synthetic, 0] == 1).flatten(1).any(1).sum())
        healthy += synthetic
    assert 0.25 < np.mean(healthy) < 0.75 and marked > 5


def check_lesion_bank(kind: str, number: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slice whose lesion has an ignored core is nobody's to paste; lesions of regions stay in one another."""
    name = "nnUNetTrainerLesionBank_1epochs_1iters"
    monkeypatch.setenv("nnUNet_uad_settings", "bank_share=1")
    trainer = tiny.make_trainer(name, number=number)
    trainer.on_train_start()
    assert (len(trainer.bank.lesions), trainer.bank.incomplete) == ((2, 1) if kind == "ignore" else (3, 0))
    targets = torch.cat([next(trainer.dataloader_train)["target"][0] for _ in range(4)])
    if kind == "ignore":
        assert (targets == 1).any()
        return
    assert targets[:, 1].any() and not (targets[:, 1] > targets[:, 0]).any()
    monkeypatch.setenv("nnUNet_uad_settings", "bank_hosts=both")
    with pytest.raises(ValueError, match='labels of regions need one called "ignore".*bank_unlabelled=healthy'):
        tiny.make_trainer(name, number=number).initialize()


def test_residual_encoder_plans(tiny_dataset, results, tmp_path):
    plans = tiny.plan_and_preprocess(991, tiny.DATASET, "nnUNetPlannerResEncM")
    assert plans == "nnUNetResEncUNetMPlans"
    tiny.run_training(f"nnUNetPretrainerDAE{LENGTH}", plans=plans)
    tuned = tiny.run_training(f"nnUNetTrainerDAEPretrained{LENGTH}", plans=plans)
    report = json.loads((tuned / "transfer.json").read_text())
    assert report["share"] == {"encoder": 1.0, "decoder": 1.0, "all_but_heads": 1.0}
    assert predict(f"nnUNetTrainerDAEPretrained{LENGTH}", tmp_path / "out", plans=plans).shape == tiny.SHAPE
