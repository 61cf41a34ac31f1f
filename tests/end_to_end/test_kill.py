"""``kill -9`` in the middle of a training, then ``--c``: it ends as if nothing had happened."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

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


def test_killed_pretraining_continues(tiny_dataset, results):
    """A killed fine-tuning continues in test_study, where a power cut ends a whole study."""
    trainer = "nnUNetPretrainerDAE_10epochs_2iters"
    fold = tiny.fold_folder(trainer)
    process = start(trainer)
    for name in ("checkpoint_latest.pth", "pretrained.safetensors"):
        wait_for(fold / name, process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (fold / "checkpoint_final.pth").exists()
    latest = torch.load(fold / "checkpoint_latest.pth", weights_only=True)
    before = read_pretrained(fold / "pretrained.safetensors")[0]
    assert start(trainer, "--c").wait() == 0
    final = torch.load(fold / "checkpoint_final.pth", weights_only=True)
    assert final["current_epoch"] == 10 and len(final["logging"]["train_losses"]) == 10
    done = latest["current_epoch"]
    assert 0 < done < 10
    assert final["logging"]["train_losses"][:done] == latest["logging"]["train_losses"]
    weights, old = final["network_weights"], latest["network_weights"]
    assert {k: v.shape for k, v in weights.items()} == {k: v.shape for k, v in old.items()}
    assert (fold / "validation" / "summary.json").exists()
    tensors, record = read_pretrained(fold / "pretrained.safetensors")
    assert record.epochs_trained == 10
    assert {k: v.shape for k, v in tensors.items()} == {k: v.shape for k, v in before.items()}
