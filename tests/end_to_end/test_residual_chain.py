"""Residual and synthetic trainers with the stock commands; what they write stands alone."""

import json
import shutil

import numpy as np
import pytest
import SimpleITK
import tiny
from stock import LENGTH, predict


@pytest.mark.parametrize(
    ("pretrainer", "trainer", "configuration"),
    [
        pytest.param("DDPM", "DiffusionResidual", "3d_tiny", marks=pytest.mark.thorough),
        ("DAE", "DAEResidual", "2d_tiny"),
        ("DDPM", "DiffusionResidualSynthetic", "2d_tiny"),
    ],
)
def test_train_continue_validate_predict(
    tiny_dataset, results, tmp_path, monkeypatch, pretrainer, trainer, configuration
):
    # Mirrored eight times, the diffusion model takes a minute; the other test has mirroring.
    mirroring = "" if pretrainer == "DAE" else "mirroring=false"
    # In 3D the tiny lesions leave no healthy patch of the plan's size; labels are no matter to this test.
    monkeypatch.setenv("nnUNet_uad_settings", f"sampling=anywhere {mirroring}")
    restorer = tiny.run_training(f"nnUNetPretrainer{pretrainer}{LENGTH}", configuration)
    if configuration == "3d_tiny":
        for flags in ({"continue_training": True}, {"only_run_validation": True}):
            tiny.run_training(f"nnUNetPretrainer{pretrainer}{LENGTH}", configuration, **flags)
    monkeypatch.setenv("nnUNet_uad_settings", mirroring)
    assert (restorer / "validation" / f"{tiny.LESION[2]}_map.nii.gz").exists()
    name = f"nnUNetTrainer{trainer}{LENGTH}"
    fold = tiny.run_training(name, configuration)
    shutil.rmtree(restorer.parent)
    # One run does both: --c of a finished training goes on to the validation.
    for flags in ({"continue_training": True}, {"only_run_validation": True})[: 2 if configuration == "3d_tiny" else 1]:
        shutil.rmtree(fold / "validation")
        tiny.run_training(name, configuration, **flags)
        assert len(json.loads((fold / "validation" / "summary.json").read_text())["metric_per_case"]) == 2
    segmentation = predict(name, tmp_path / "out", configuration)
    assert segmentation.shape == tiny.SHAPE and set(np.unique(segmentation)) <= {0, 1, 2}


def test_exported_alone_it_predicts_the_same_bit_for_bit(ddpm_fold, results, tmp_path, monkeypatch):
    from nnunetv2.evaluation.find_best_configuration import find_best_configuration
    from nnunetv2.model_sharing.model_export import export_pretrained_model
    from nnunetv2.model_sharing.model_import import install_model_from_zip_file

    name = f"nnUNetTrainerDiffusionResidual{LENGTH}"
    monkeypatch.setenv("nnUNet_uad_restorer", str(ddpm_fold / "pretrained.safetensors"))
    tiny.run_training(name)
    monkeypatch.delenv("nnUNet_uad_restorer")
    find_best_configuration(
        tiny.DATASET,
        ({"plans": "nnUNetPlans", "configuration": "2d_tiny", "trainer": name},),
        num_processes=1,
        folds=(0,),
    )
    before = [predict(name, tmp_path / run, probabilities=True) for run in ("a", "b")]
    export_pretrained_model(tiny.DATASET, str(tmp_path / "model.zip"), ("2d_tiny",), name, "nnUNetPlans", (0,))
    monkeypatch.setenv("nnUNet_results", str(tmp_path / "elsewhere"))
    (tmp_path / "elsewhere").mkdir()
    install_model_from_zip_file(str(tmp_path / "model.zip"))
    assert not list((tmp_path / "elsewhere").rglob("*.safetensors"))
    after = predict(name, tmp_path / "after", probabilities=True)
    assert np.array_equal(before[0], before[1]) and np.array_equal(before[0], after)
    probabilities = [np.load(tmp_path / run / "test.npz")["probabilities"] for run in ("a", "b", "after")]
    assert np.array_equal(probabilities[0], probabilities[1]) and np.array_equal(probabilities[0], probabilities[2])


def test_fine_tuning_from_synthetic_anomalies(tiny_dataset, results, tmp_path, monkeypatch):
    masks = tmp_path / "masks"
    masks.mkdir()
    tiny.write_image(tiny.tiny_case(4, True)[1].clip(max=1), masks / "a.nii.gz")
    monkeypatch.setenv("nnUNet_uad_settings", f"lesion_masks={masks}")
    fold = tiny.run_training(f"nnUNetPretrainerSyntheticAnomaly{LENGTH}")
    monkeypatch.delenv("nnUNet_uad_settings")
    with monkeypatch.context() as again:
        again.setenv("nnUNet_uad_settings", f"lesion_masks={masks}")
        for flags in ({"continue_training": True}, {"only_run_validation": True}):
            tiny.run_training(f"nnUNetPretrainerSyntheticAnomaly{LENGTH}", **flags)
    assert not list((fold / "validation").glob("*_reconstruction_*"))
    score = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(fold / "validation" / f"{tiny.LESION[2]}_map.nii.gz")))
    assert 0 < score.max() <= 1
    metrics = json.loads((fold / "validation" / "anomaly_metrics.json").read_text())
    assert {"map", "robust_z:FLAIR"} <= set(metrics["scores"]) and metrics["strongest_floor"]
    tuned = tiny.run_training(f"nnUNetTrainerSyntheticAnomalyPretrained{LENGTH}")
    assert json.loads((tuned / "transfer.json").read_text())["share"]["all_but_heads"] == 1.0
    assert predict(f"nnUNetTrainerSyntheticAnomalyPretrained{LENGTH}", tmp_path / "out").shape == tiny.SHAPE
