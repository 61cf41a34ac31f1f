import json
import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import tiny
import torch

from nnunet_uad.weights.safe_file import read_pretrained


def test_batches_are_healthy_and_the_target_is_the_foreground(tiny_dataset, results):
    """No labelled voxel reaches the network, in any of many patches: seen through marked images."""
    trainer = tiny.make_trainer("nnUNetPretrainerDAE_1epochs_1iters")
    trainer.initialize()
    seen = []
    original = trainer.dataset_class.load_case

    class Marked(trainer.dataset_class):
        def load_case(self, identifier):
            data, seg, previous, properties = original(self, identifier)
            seg = np.asarray(seg[:])
            data = np.repeat((seg > 0).astype(np.float32) * 1000, 2, axis=0)  # the image shows its labels
            return data, seg, previous, properties

    trainer.dataset_class = Marked
    loader, _ = trainer.get_dataloaders()
    for _ in range(40):
        batch = next(loader)
        seen.append(float(batch["data"].abs().max()))
        assert set(np.unique(batch["target"])) <= {0, 1}
        assert batch["target"].shape == (4, 1, 32, 32)
        assert (batch["target"] == 1).any()
    assert max(seen) < 5  # nothing but the augmentation's own noise


def test_anywhere_ignores_the_labels(tiny_dataset, results, monkeypatch):
    monkeypatch.setenv("nnUNet_uad_settings", "sampling=anywhere")
    trainer = tiny.make_trainer("nnUNetPretrainerDAE_1epochs_1iters", fold=1)
    trainer.initialize()
    assert trainer.get_tr_and_val_datasets()[0].identifiers == tiny.LESION[:2]


@pytest.mark.parametrize(("configuration", "unit"), [("2d_tiny", "slice"), ("3d_tiny", "patch of")])
def test_no_healthy_patch_is_refused_with_the_way_out(tiny_dataset, results, monkeypatch, configuration, unit):
    trainer = tiny.make_trainer("nnUNetPretrainerDAE_1epochs_1iters", configuration, 1)
    trainer.initialize()
    original = trainer.dataset_class.load_case

    def labelled_everywhere(self, identifier):
        data, seg, *rest = original(self, identifier)
        return data, np.where(seg[:] >= 0, 1, -1), *rest

    monkeypatch.setattr(trainer.dataset_class, "load_case", labelled_everywhere)
    with pytest.raises(ValueError, match=f"None of the 2 training cases has a {unit}.*sampling=anywhere"):
        trainer.run_training()
    assert not list(results.rglob("*.pth")) and not list(results.rglob("*.safetensors"))


def test_files_of_a_training(dae_fold):
    tensors, record = read_pretrained(dae_fold / "pretrained.safetensors")
    assert record.cases == (*tiny.HEALTHY, tiny.LESION[0])
    assert record.method == "DAE" and record.trainer == "nnUNetPretrainerDAE_2epochs_3iters"
    assert (record.epochs_trained, record.num_epochs, record.iterations_per_epoch) == (2, 2, 3)
    assert record.channel_names == ("FLAIR", "T1") and record.spacing == (2.0, 2.0)
    assert record.patch_size == (32, 32) and record.settings["noise_std"] == [1.0, 2.0]
    checkpoint = torch.load(dae_fold / "checkpoint_final.pth", weights_only=True)
    assert all(torch.equal(tensors[k], checkpoint["network_weights"][k]) for k in tensors)
    assert checkpoint["init_args"]["plans"]["nnunet_uad"]["seed"] == record.seed
    assert (dae_fold / "progress.png").exists()
    monitored = checkpoint["logging"]["mean_fg_dice"]
    assert len(monitored) == 2 and all(isinstance(v, float) and v <= 1 for v in monitored)


def test_validation_writes_maps_in_the_original_geometry(dae_fold):
    summary = json.loads((dae_fold / "validation" / "summary.json").read_text())
    assert [c["identifier"] for c in summary["metric_per_case"]] == tiny.LESION[2:]
    assert {"MAE_healthy", "MAE_lesion", "MSE_foreground"} <= set(summary["mean"])
    raw = Path(os.environ["nnUNet_raw"]) / tiny.DATASET / "imagesTr"
    for case in tiny.LESION[2:]:
        image = SimpleITK.ReadImage(str(raw / f"{case}_0000.nii.gz"))
        score = SimpleITK.ReadImage(str(dae_fold / "validation" / f"{case}_map.nii.gz"))
        assert score.GetSize() == image.GetSize() and score.GetOrigin() == image.GetOrigin()
        values = SimpleITK.GetArrayFromImage(score)
        outside = SimpleITK.GetArrayFromImage(image) == 0
        assert values.max() > 0.1 and values[outside].mean() < 0.1 * values[~outside].mean()
        assert (dae_fold / "validation" / f"{case}_montage.png").stat().st_size > 10_000


def test_validation_measures_the_maps_beside_the_intensity_and_chooses_thresholds(dae_fold):
    summary = json.loads((dae_fold / "validation" / "summary.json").read_text())
    metrics = json.loads((dae_fold / "validation" / "anomaly_metrics.json").read_text())
    assert set(metrics["scores"]) == {"map", "intensity:FLAIR"} and not metrics["failed"]
    assert summary["anomaly"]["map AP"] == metrics["scores"]["map"]["pooled"]["AP"]["value"]
    assert 0 < summary["anomaly"]["map AP"] <= 1
    # The lesions of the tiny dataset are the brightest of the image.
    assert summary["anomaly"]["intensity:FLAIR AP"] > 0.9
    stored = json.loads((dae_fold / "anomaly_thresholds.json").read_text())
    assert set(stored["thresholds"]) == {"fpr:0.05", "fpr:0.01", "fpr:0.001", "best"}
    assert stored["thresholds"]["best"]["cases"] == tiny.LESION[2:]
    assert stored["score"]["residual"] == "auto"
    assert len(metrics["warnings"]) == 4  # one for each threshold: they were chosen on these very cases


def test_the_same_seed_gives_the_same_weights(tiny_dataset, results, monkeypatch):
    runs = []
    for _ in range(2):
        monkeypatch.setenv("nnUNet_uad_settings", "seed=5")
        np.random.seed(0)
        trainer = tiny.make_trainer("nnUNetPretrainerDAE_1epochs_2iters")
        trainer.run_training()
        runs.append(read_pretrained(f"{trainer.output_folder}/pretrained.safetensors"))
    assert runs[0][1].seed == 5
    assert all(torch.equal(runs[0][0][k], runs[1][0][k]) for k in runs[0][0])


def test_a_cascade_stage_is_refused(tiny_dataset, results):
    plans = json.loads((tiny_dataset / "nnUNetPlans.json").read_text())
    plans["configurations"]["3d_cascade"] = {"inherits_from": "3d_tiny", "previous_stage": "3d_tiny"}
    plans["continue_training"] = False
    from nnunet_uad.plugin.nnunet_uad_trainers import nnUNetPretrainerDAE

    dataset_json = json.loads((tiny_dataset / "dataset.json").read_text())
    with pytest.raises(ValueError, match="second stage of a cascade"):
        nnUNetPretrainerDAE(plans, "3d_cascade", 0, dataset_json, torch.device("cpu"))


@pytest.mark.slow
def test_saving_reconstructions(tiny_dataset, results, monkeypatch):
    monkeypatch.setenv("nnUNet_uad_settings", "save_reconstruction=true")
    fold = tiny.run_training("nnUNetPretrainerMAE_1epochs_1iters")
    names = {p.name for p in (fold / "validation").iterdir()}
    assert {f"{tiny.LESION[2]}_reconstruction_000{c}.nii.gz" for c in (0, 1)} <= names


def test_a_loss_free_of_host_synchronisation(tiny_dataset, results):
    """The step hands back a tensor on the device; nothing forces the host to wait for it."""
    trainer = tiny.make_trainer("nnUNetPretrainerDAE_1epochs_1iters")
    trainer.on_train_start()
    out = trainer.train_step(next(trainer.dataloader_train))
    assert isinstance(out["loss"], torch.Tensor) and not out["loss"].requires_grad


def test_bad_sampling_is_refused(tiny_dataset, results, monkeypatch):
    monkeypatch.setenv("nnUNet_uad_settings", "sampling=everywhere")
    with pytest.raises(ValueError, match="sampling expects healthy or anywhere"):
        tiny.make_trainer("nnUNetPretrainerDAE")


def test_bad_channel_weights_are_refused_before_training(tiny_dataset, results, monkeypatch):
    monkeypatch.setenv("nnUNet_uad_settings", "channel_weights=T2:1")
    with pytest.raises(ValueError, match="names out of FLAIR, T1"):
        tiny.make_trainer("nnUNetPretrainerDAE")


@pytest.mark.parametrize("used", [True, False])
def test_intensity_augmentation_can_be_switched_off(tiny_dataset, results, monkeypatch, used):
    monkeypatch.setenv("nnUNet_uad_settings", f"intensity_augmentation={json.dumps(used)}")
    trainer = tiny.make_trainer("nnUNetPretrainerDAE")
    transforms = trainer.get_training_transforms((32, 32), (-0.5, 0.5), None, (0, 1), False, [True, True])
    names = [type(getattr(t, "transform", t)).__name__ for t in transforms.transforms]
    assert ("GammaTransform" in names) == used
    assert {"ForegroundTransform", "SpatialTransform", "MirrorTransform"} <= set(names)
