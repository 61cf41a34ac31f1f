"""``kill -9`` in the middle of a training, then ``--c``: it ends as if nothing had happened."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny
import torch

from nnunet_uad.weights.safe_file import read_pretrained


def start(trainer: str, *flags: str) -> subprocess.Popen:
    command = [str(Path(sys.executable).parent / "nnUNetv2_train"), tiny.NUMBER, "2d_tiny", "0", "-tr", trainer]
    return subprocess.Popen([*command, "-device", "cpu", *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_for(path: Path, process: subprocess.Popen) -> None:
    deadline = time.time() + 240
    while not path.exists():
        assert process.poll() is None, "the training ended before it wrote a checkpoint"
        assert time.time() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("stage", ["pretraining", "fine-tuning"])
def test_killed_training_continues(stage, dae_fold, results, monkeypatch):
    trainer = {
        "pretraining": "nnUNetPretrainerDAE_20epochs_2iters",
        "fine-tuning": "nnUNetTrainerDAEPretrained_20epochs_2iters",
    }[stage]
    monkeypatch.setenv("nnUNet_uad_pretrained", str(dae_fold / "pretrained.safetensors"))
    fold = tiny.fold_folder(trainer)
    process = start(trainer)
    wait_for(fold / "checkpoint_latest.pth", process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (fold / "checkpoint_final.pth").exists()
    latest = torch.load(fold / "checkpoint_latest.pth", weights_only=True)
    if stage == "pretraining":
        before = read_pretrained(fold / "pretrained.safetensors")[0]
    # A continued run has its own weights and does not look for others.
    monkeypatch.setenv("nnUNet_uad_pretrained", "/nowhere")
    assert start(trainer, "--c").wait() == 0
    final = torch.load(fold / "checkpoint_final.pth", weights_only=True)
    assert final["current_epoch"] == 20 and len(final["logging"]["train_losses"]) == 20
    done = latest["current_epoch"]
    assert 0 < done < 20
    assert final["logging"]["train_losses"][:done] == latest["logging"]["train_losses"]
    weights, old = final["network_weights"], latest["network_weights"]
    assert {k: v.shape for k, v in weights.items()} == {k: v.shape for k, v in old.items()}
    assert (fold / "validation" / "summary.json").exists()
    if stage == "pretraining":
        tensors, record = read_pretrained(fold / "pretrained.safetensors")
        assert record.epochs_trained == 20
        assert {k: v.shape for k, v in tensors.items()} == {k: v.shape for k, v in before.items()}
