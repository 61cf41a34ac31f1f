"""Several GPUs in one machine: every local job has one to itself."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from nnunet_uad.common.lock import LockedError, file_lock

#: Set by ``nnunet_uad study run`` for jobs on this machine: the GPUs that they share, as in CUDA_VISIBLE_DEVICES.
GPUS_VARIABLE = "NNUNET_UAD_STUDY_GPUS"
VISIBLE_VARIABLE = "CUDA_VISIBLE_DEVICES"


def visible_gpus(environment: Mapping[str, str]) -> list[str]:
    """The GPUs that this process may use, as in CUDA_VISIBLE_DEVICES."""
    named = environment.get(VISIBLE_VARIABLE)
    if named is not None:
        return [device.strip() for device in named.split(",") if device.strip()]
    import torch

    return [str(index) for index in range(torch.cuda.device_count())]


@contextmanager
def own_gpu(folder: Path) -> Iterator[str | None]:
    """Take a GPU that no other job of the study uses, and make it the only visible one.

    Snakemake starts no more jobs than there are GPUs; which one is free is told by locks that die with their job. On a
    cluster the scheduler assigns GPUs, and nothing is done.

    Args:
        folder: Folder of the locks.

    Yields:
        The GPU, ``None`` if there is nothing to choose or all are taken.
    """
    devices = [d for d in os.environ.get(GPUS_VARIABLE, "").split(",") if d]
    with ExitStack() as stack:
        for device in devices:
            folder.mkdir(parents=True, exist_ok=True)
            try:
                stack.enter_context(file_lock(folder / f"gpu_{device}", f"GPU {device} is used"))
            except LockedError:
                continue
            os.environ[VISIBLE_VARIABLE] = device
            yield device
            return
        yield None
