"""Spatial and tile-wise autoencoders and what uses them, with the stock commands."""

import json
import os
import shutil
import sys

import numpy as np
import pytest
import SimpleITK
import tiny
import torch
from stock import LENGTH, predict


def pretrain(method, configuration):
    """Train, ``--c``, ``--val``; returns the fold."""
    name = f"nnUNetPretrainer{method}{LENGTH}"
    fold = tiny.run_training(name, configuration)
    for flags in ({"continue_training": True}, {"only_run_validation": True}):
        shutil.rmtree(fold / "validation")
        tiny.run_training(name, configuration, **flags)
    score = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(fold / "validation" / f"{tiny.LESION[2]}_map.nii.gz")))
    assert score.shape == tiny.SHAPE and score.max() > 0
    return fold


def fine_tune(name, configuration, output):
    """Train, ``--c``, ``--val``, predict."""
    fold = tiny.run_training(f"{name}{LENGTH}", configuration)
    for flags in ({"continue_training": True}, {"only_run_validation": True}):
        shutil.rmtree(fold / "validation")
        tiny.run_training(f"{name}{LENGTH}", configuration, **flags)
        assert len(json.loads((fold / "validation" / "summary.json").read_text())["metric_per_case"]) == 2
    segmentation = predict(f"{name}{LENGTH}", output, configuration)
    assert segmentation.shape == tiny.SHAPE and set(np.unique(segmentation)) <= {0, 1, 2}
    return fold


@pytest.mark.parametrize(
    ("method", "configuration"), [pytest.param("AE", "2d_tiny", marks=pytest.mark.thorough), ("AnoVAEGAN", "2d_tiny")]
)
def test_pretrainers(tiny_dataset, results, method, configuration):
    pretrain(method, configuration)


def test_vae_encoder_and_residual(tiny_dataset, results, tmp_path, monkeypatch):
    # Mirrored eight times in 3D; test_pretrainers has mirroring.
    monkeypatch.setenv("nnUNet_uad_settings", "sampling=anywhere mirroring=false")
    pretrain("VAE", "3d_tiny")
    monkeypatch.setenv("nnUNet_uad_settings", "mirroring=false")
    fold = fine_tune("nnUNetTrainerVAEPretrained", "3d_tiny", tmp_path / "a")
    share = json.loads((fold / "transfer.json").read_text())["share"]
    assert share["encoder"] == 1.0 and share["decoder"] == 0.0
    fold = fine_tune("nnUNetTrainerVAEResidual", "3d_tiny", tmp_path / "b")
    assert json.loads((fold / "restorer.json").read_text())["trainer"] == f"nnUNetPretrainerVAE{LENGTH}"


def test_patch_gan_and_its_score(tiny_dataset, results, tmp_path, monkeypatch):
    from nnunet_uad.cli.main import main

    source = pretrain("PatchGAN", "2d_tiny")
    images = os.path.join(os.environ["nnUNet_raw"], tiny.DATASET, "imagesTs")
    maps = {}
    for score in ("detection", "residual", "product"):
        arguments = ["predict", "-i", images, "-o", str(tmp_path / score), "-d", tiny.NUMBER, "-c", "2d_tiny"]
        arguments += ["-tr", f"nnUNetPretrainerPatchGAN{LENGTH}", "-f", "0", "--score", f"score_from={score}"]
        assert main([*arguments, "-npp", "0", "-nps", "0", "-device", "cpu"]) == 0
        maps[score] = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / score / "test_map.nii.gz")))
    # Exact where nothing is resampled: the tiny slices have the plan's spacing.
    assert np.allclose(maps["product"], maps["detection"] * maps["residual"], atol=1e-3)
    monkeypatch.setenv("nnUNet_uad_settings", "mirroring=false")
    fold = fine_tune("nnUNetTrainerPatchGANScore", "2d_tiny", tmp_path / "out")
    before = torch.load(source / "checkpoint_final.pth", weights_only=True)["network_weights"]
    after = torch.load(fold / "checkpoint_final.pth", weights_only=True)["network_weights"]
    frozen = [n for n in before if n.startswith("discriminator.")]
    assert frozen and all(torch.equal(before[n], after[f"restorer.network.{n}"]) for n in frozen)


def test_tile_wise_pretraining_and_auxiliary_reconstruction(tiny_dataset, results, tmp_path, monkeypatch):
    source = pretrain("TAE", "2d_tiny")
    fold = fine_tune("nnUNetTrainerTAEPretrained", "2d_tiny", tmp_path / "a")
    assert json.loads((fold / "transfer.json").read_text())["share"]["all_but_heads"] == 1.0
    name = "nnUNetTrainerTAEPretrainedAuxReconstruction"
    fold = fine_tune(name, "2d_tiny", tmp_path / "b")
    report = json.loads((fold / "transfer.json").read_text())
    assert report["share"]["all_but_heads"] == 1.0
    loaded = {t["name"] for t in report["tensors"] if t["status"] == "loaded"}
    assert {"branch.stages.0.convs.0.conv.weight", "branch.seg_layers.1.weight"} <= loaded
    assert "pretrained.safetensors" in report["source"] and str(source) in report["source"]
    export_and_predict_without_the_plugin(f"{name}{LENGTH}", tmp_path, monkeypatch)


def test_auxiliary_reconstruction_from_scratch_in_3d(tiny_dataset, results, tmp_path, monkeypatch):
    monkeypatch.setenv("nnUNet_uad_settings", "mirroring=false")
    fine_tune("nnUNetTrainerAuxReconstruction", "3d_tiny", tmp_path / "out")


def export_and_predict_without_the_plugin(name, tmp_path, monkeypatch):
    """``export --stock``, installed where neither this plugin nor the model is: the same segmentation."""
    from nnunetv2.model_sharing.model_import import install_model_from_zip_file

    from nnunet_uad.cli.main import main

    before = predict(name, tmp_path / "before")
    archive = tmp_path / "stock.zip"
    arguments = ["export", "-d", tiny.NUMBER, "-c", "2d_tiny", "-tr", name, "-f", "0", "-o", str(archive)]
    assert main(arguments) == 1 and not archive.exists()
    assert main([*arguments, "--stock"]) == 0
    monkeypatch.setenv("nnUNet_results", str(tmp_path / "elsewhere"))
    (tmp_path / "elsewhere").mkdir()
    install_model_from_zip_file(str(archive))
    monkeypatch.delenv("nnUNet_extTrainer")
    for module in [m for m in sys.modules if m.startswith("nnunet_uad")]:
        monkeypatch.setitem(sys.modules, module, None)
    assert np.array_equal(predict("nnUNetTrainer", tmp_path / "after"), before)
