"""The frozen restorer inside a trainer."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch

from nnunet_uad.weights.safe_file import canonical_tensors, read_pretrained, write_pretrained

NAME = "nnUNetTrainerDiffusionResidual_2epochs_2iters"


def train():
    """Without nnU-Net's final validation, whose processes take longer than this training."""
    trainer = tiny.make_trainer(NAME)
    trainer.run_training()
    return Path(trainer.output_folder)


def frozen_equals(network, tensors):
    return all(torch.equal(t, tensors[n]) for n, t in canonical_tensors(network.restorer.network).items())


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_frozen_means_frozen(restorer_file, monkeypatch, optimizer):
    """Bit by bit, after training and after --c; no optimiser state, and the rest has learned."""
    monkeypatch.setenv("nnUNet_uad_settings", f"optimizer={optimizer}")
    tensors, _ = read_pretrained(restorer_file)
    trainer = tiny.make_trainer(NAME)
    trainer.initialize()
    before = [p.detach().clone() for p in trainer.segmenter.parameters()]
    trainer.run_training()
    assert frozen_equals(trainer.bare_network, tensors)
    assert any(not torch.equal(a, b) for a, b in zip(before, trainer.segmenter.parameters(), strict=True))
    learning = {id(p) for group in trainer.optimizer.param_groups for p in group["params"]}
    assert learning == {id(p) for p in trainer.segmenter.parameters()}
    # Interrupted after the first epoch, continued to the second.
    other = tiny.make_trainer(NAME.replace("2epochs", "3epochs"))
    other.load_checkpoint(str(Path(trainer.output_folder) / "checkpoint_final.pth"))
    monkeypatch.setenv("nnUNet_uad_restorer", "/nowhere")
    other.run_training()
    assert other.current_epoch == 3 and frozen_equals(other.bare_network, tensors)


def test_what_is_written(restorer_file):
    fold = train()
    plans = json.loads((fold.parent / "plans.json").read_text())
    description = plans["nnunet_uad"]["restorer"]
    assert description["kinds"] == ["signed"] and description["network"]["kind"] == "diffusion"
    about = json.loads((fold / "restorer.json").read_text())
    assert about["trainer"] == "nnUNetPretrainerDDPM_2epochs_3iters" and len(about["sha256"]) == 64
    checkpoint = torch.load(fold / "checkpoint_final.pth", weights_only=True)
    assert checkpoint["init_args"]["plans"]["nnunet_uad"]["restorer"] == description
    assert set(checkpoint["init_args"]["plans"]["nnunet_uad"]) == {"restorer", "settings", "seed"}


@pytest.mark.slow
def test_a_fold_with_another_restorer_is_refused(restorer_file, tmp_path, monkeypatch):
    train()
    tensors, record = read_pretrained(restorer_file)
    restoration = {**record.restorer["restoration"], "times": [100]}
    other = dataclasses.replace(record, restorer={**record.restorer, "restoration": restoration})
    write_pretrained(tmp_path / "other.safetensors", tensors, other)
    monkeypatch.setenv("nnUNet_uad_restorer", str(tmp_path / "other.safetensors"))
    with pytest.raises(RuntimeError, match="use a restorer of another form"):
        tiny.make_trainer(NAME, fold=1).initialize()


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["residual_form=siamese", "residual_channels=signed,absolute,reconstruction"])
def test_other_forms_train_and_are_rebuilt(restorer_file, monkeypatch, setting):
    monkeypatch.setenv("nnUNet_uad_settings", setting)
    train()
    monkeypatch.delenv("nnUNet_uad_settings")
    trainer = tiny.make_trainer(NAME)
    trainer.load_checkpoint(str(Path(trainer.output_folder) / "checkpoint_final.pth"))
    assert trainer.bare_network(torch.zeros(1, 2, 32, 32))[0].shape == (1, 3, 32, 32)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"spacing": (5.0, 5.0)}, "spacing: expected about 2 x 2 mm, found 5 x 5 mm"),
        ({"normalization": ("CTNormalization",) * 2}, "normalisation: expected ZScoreNormalization"),
        ({"channel_names": ("T1", "FLAIR")}, "channels: expected FLAIR, T1 in this order, found T1, FLAIR"),
        ({"patch_size": (8, 32, 32), "spacing": (3.0, 2.0, 2.0)}, "dimension: expected 2D, found 3D"),
        ({"method": "DAE"}, "method: expected DDPM, found DAE"),
        ({"restorer": {}}, "without the description of a restorer, as earlier versions"),
    ],
)
def test_a_restorer_of_other_images_is_refused(restorer_file, tmp_path, monkeypatch, change, said):
    tensors, record = read_pretrained(restorer_file)
    write_pretrained(tmp_path / "w.safetensors", tensors, dataclasses.replace(record, **change))
    monkeypatch.setenv("nnUNet_uad_restorer", str(tmp_path / "w.safetensors"))
    with pytest.raises(ValueError, match=said):
        tiny.make_trainer(NAME).initialize()


def test_weights_that_do_not_fit_their_record_are_refused(restorer_file, tmp_path, monkeypatch):
    tensors, record = read_pretrained(restorer_file)
    tensors.pop(sorted(tensors)[0])
    write_pretrained(tmp_path / "w.safetensors", tensors, record)
    monkeypatch.setenv("nnUNet_uad_restorer", str(tmp_path / "w.safetensors"))
    with pytest.raises(ValueError, match=r"1 tensor\(s\) are missing"):
        tiny.make_trainer(NAME).initialize()


def test_no_restorer_is_refused_before_training(tiny_dataset, results):
    with pytest.raises(
        FileNotFoundError, match=r"(?s)No pretrained weights of nnUNetPretrainerDDPM.*nnUNet_uad_restorer"
    ):
        tiny.make_trainer(NAME).initialize()
    assert not list(results.rglob("checkpoint*"))


def test_a_restorer_that_returns_nan_ends_the_training(restorer_file):
    trainer = tiny.make_trainer(NAME)
    trainer.initialize()
    trainer.on_train_start()
    trainer.on_train_epoch_start()
    trainer.save_checkpoint(str(Path(trainer.output_folder) / "checkpoint_latest.pth"))
    batch = next(trainer.dataloader_train)
    trainer.train_step(batch)
    with torch.no_grad():
        next(trainer.bare_network.restorer.parameters()).fill_(float("nan"))
    with pytest.raises(RuntimeError, match=r"epoch 0, step 1, for .*checkpoint_latest\.pth") as caught:
        trainer.train_step(batch)
    text = str(caught.value)
    assert all(str(key) in text for key in set(batch["keys"]))
    kept = torch.load(Path(trainer.output_folder) / "checkpoint_latest.pth", weights_only=True)
    assert all(torch.isfinite(v).all() for v in kept["network_weights"].values())


def test_a_loss_that_is_nan_for_another_reason_is_nnunets_business(restorer_file):
    trainer = tiny.make_trainer(NAME)
    trainer.initialize()
    trainer.on_train_start()
    trainer.on_train_epoch_start()
    batch = next(trainer.dataloader_train)
    trainer.loss = lambda output, target: output[0].sum() * float("nan")
    assert np.isnan(trainer.train_step(batch)["loss"])


def test_out_of_memory_says_what_to_lower(restorer_file, monkeypatch):
    trainer = tiny.make_trainer(NAME)

    def too_much(batch):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB")

    monkeypatch.setattr(trainer, "train_step", too_much)
    with pytest.raises(RuntimeError, match=r"batches of 4 patches of 32 x 32 voxels\. Settings .*--batch") as caught:
        trainer.run_training()
    assert (
        "save memory: a lower diffusion_width or higher diffusion_levels when the restorer is pretrained "
        '(nnUNet_uad_settings="key=value …" nnUNetv2_train …, or plans with settings'
    ) in str(caught.value)


@pytest.mark.parametrize("method", ["DAE", "AE"])
def test_a_restorer_of_the_plans_size_has_no_setting_that_makes_it_smaller(tiny_dataset, results, monkeypatch, method):
    restorer = tiny.save_untrained(f"nnUNetPretrainer{method}_1epochs_1iters")
    monkeypatch.setenv("nnUNet_uad_restorer", str(restorer / "pretrained.safetensors"))
    trainer = tiny.make_trainer(f"nnUNetTrainer{method}Residual_1epochs_1iters")
    trainer.initialize()
    assert trainer.memory_advice == ""


@pytest.fixture
def tile_restorer(tiny_dataset, results, tmp_path, monkeypatch):
    """Makes a tile-wise restorer of some grid the one to use, as plans of another patch give it."""
    path = tiny.save_untrained("nnUNetPretrainerTAE_1epochs_1iters") / "pretrained.safetensors"
    tensors, record = read_pretrained(path)

    def use(grid, patch_size):
        network = {**record.restorer["network"], "grid": grid}
        other = dataclasses.replace(record, restorer={**record.restorer, "network": network}, patch_size=patch_size)
        write_pretrained(tmp_path / "tiles.safetensors", tensors, other)
        monkeypatch.setenv("nnUNet_uad_restorer", str(tmp_path / "tiles.safetensors"))
        return tiny.make_trainer("nnUNetTrainerTAEResidual_1epochs_1iters")

    return use


def test_tiles_that_do_not_divide_the_patch_are_refused_before_training(tile_restorer):
    trainer = tile_restorer([3, 3], (48, 48))
    with pytest.raises(ValueError, match=r"pretrained on patches of 48 x 48 voxels") as caught:
        trainer.on_train_start()
    text = str(caught.value)
    assert "A patch of 32 x 32 voxels cannot be cut into 3 x 3 tiles" in text
    assert "nnUNetv2_train Dataset991_Tiny 2d_tiny 0 -tr nnUNetPretrainerTAE -p nnUNetPlans" in text
    assert not list(Path(trainer.output_folder).glob("*.pth"))


def test_tiles_of_another_patch_that_divide_this_one_are_used(tile_restorer):
    trainer = tile_restorer([2, 2], (64, 64))
    trainer.initialize()
    assert trainer.bare_network(torch.ones(1, 2, 32, 32))[0].shape == (1, 3, 32, 32)
