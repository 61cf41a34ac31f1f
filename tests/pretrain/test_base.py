import json

import numpy as np
import pytest
import tiny
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from nnunet_uad.weights.safe_file import read_pretrained, read_record


def test_files_of_a_training(dae_fold):
    tensors, record = read_pretrained(dae_fold / "pretrained.safetensors")
    checkpoint = torch.load(dae_fold / "checkpoint_final.pth", weights_only=True)
    assert all(torch.equal(tensors[k], checkpoint["network_weights"][k]) for k in tensors)
    assert checkpoint["init_args"]["plans"]["nnunet_uad"]["seed"] == record.seed
    assert (dae_fold / "progress.png").exists()
    monitored = checkpoint["logging"]["mean_fg_dice"]
    assert len(monitored) == 2 and all(isinstance(v, float) and v <= 1 for v in monitored)


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


def test_a_loss_free_of_host_synchronisation(tiny_dataset, results):
    """The step hands back a tensor on the device; nothing forces the host to wait for it."""
    trainer = tiny.make_trainer("nnUNetPretrainerDAE_1epochs_1iters")
    trainer.on_train_start()
    out = trainer.train_step(next(trainer.dataloader_train))
    assert isinstance(out["loss"], torch.Tensor) and not out["loss"].requires_grad


def test_bad_channel_weights_are_refused_before_training(tiny_dataset, results, monkeypatch):
    monkeypatch.setenv("nnUNet_uad_settings", "channel_weights=T2:1")
    with pytest.raises(ValueError, match="names out of FLAIR, T1"):
        tiny.make_trainer("nnUNetPretrainerDAE")


def test_the_weights_are_never_older_than_the_final_checkpoint(tiny_dataset, results, monkeypatch):
    """Killed between the two files, a training with a final checkpoint would not go on: its weights would stay old."""
    trainer = tiny.make_trainer("nnUNetPretrainerDAE_2epochs_3iters")
    trainer.on_train_start()
    trainer.save_checkpoint(f"{trainer.output_folder}/checkpoint_latest.pth")
    trainer.current_epoch = 1
    with torch.no_grad():
        next(trainer.bare_network.parameters()).add_(1)

    def killed(self, filename):
        raise KeyboardInterrupt("between the files")

    monkeypatch.setattr(nnUNetTrainer, "save_checkpoint", killed)
    with pytest.raises(KeyboardInterrupt, match="between the files"):
        trainer.save_checkpoint(f"{trainer.output_folder}/checkpoint_final.pth")
    assert read_record(f"{trainer.output_folder}/pretrained.safetensors").epochs_trained == 2


def test_the_record_says_what_the_cases_hold(dae_fold):
    record = read_record(dae_fold / "pretrained.safetensors")
    assert set(record.contents) == set(record.cases)
    kinds = [[f.split(":")[0] for f in found] for found in record.contents.values()]
    assert kinds == [["raw", "raw", "data", "data", "array"]] * len(record.cases)
