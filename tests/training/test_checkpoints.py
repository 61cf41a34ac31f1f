import multiprocessing
import os

import pytest
import torch

from nnunet_uad.common.lock import LockedError
from nnunet_uad.training.checkpoints import atomic_checkpoint, own_fold


def train(folder, started) -> None:
    with own_fold(folder, is_writer=True):
        started.set()
        started.wait()
        multiprocessing.Event().wait(60)


def test_one_training_per_fold(tmp_path):
    context = multiprocessing.get_context("fork")
    started = context.Event()
    first = context.Process(target=train, args=(tmp_path, started))
    first.start()
    assert started.wait(60)
    expected = f"is being written already by process {first.pid}"
    with pytest.raises(LockedError, match=expected), own_fold(tmp_path, is_writer=True):
        pass
    with own_fold(tmp_path, is_writer=False):  # another rank of the same training
        pass
    first.kill()
    first.join()


@pytest.mark.parametrize("words", ["[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0", "file write"])
def test_a_full_disk_keeps_the_last_checkpoint(tmp_path, monkeypatch, words):
    """PyTorch's own error says nothing of a disk; one that is cut without an error is noticed, too."""
    path = tmp_path / "checkpoint_latest.pth"
    with atomic_checkpoint(path) as temporary:
        torch.save({"epoch": 1}, temporary)

    def save(content, name):
        with open(name, "wb") as handle:
            handle.write(b"PK half")
        if "unexpected" in words:
            raise RuntimeError(words)

    monkeypatch.setattr(torch, "save", save)
    expected = "latest.pth could not be written: no space.*nnUNetv2_train … --c" if "unexp" in words else "not.*whole"
    with (
        pytest.raises(OSError, match=expected),
        own_fold(tmp_path, is_writer=True),
        atomic_checkpoint(path) as temporary,
    ):
        torch.save({"epoch": 2}, temporary)
    assert torch.load(path, weights_only=True) == {"epoch": 1} and os.listdir(tmp_path) == [path.name]
