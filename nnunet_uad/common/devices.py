"""Whether PyTorch can compute on a device, asked before it is used: the driver's own words name no way out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

CPU_FLAG = "Add -device cpu (slower, the same result)"


def missing_device(name: str) -> str:
    """Why PyTorch cannot use a device; empty if it can.

    Args:
        name: Name of the device: ``cuda``, ``cpu`` or ``mps``, also with a number (``cuda:0``).

    Example:
        >>> missing_device("cpu")
        ''
    """
    import torch

    kind = name.partition(":")[0]
    if kind == "cuda" and not torch.cuda.is_available():
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        if torch.version.cuda is None:
            return f"PyTorch {torch.__version__} finds no CUDA device: it is built without CUDA"
        if visible in ("", "-1"):
            return f"PyTorch finds no CUDA device: CUDA_VISIBLE_DEVICES={visible!r} hides all"
        return "PyTorch finds no CUDA device: this machine has no NVIDIA GPU, or none with a driver that works"
    if kind == "mps" and not torch.backends.mps.is_available():
        return "PyTorch finds no MPS device, which only Macs with an Apple chip have"
    return ""


def require_device(name: str, advice: str = CPU_FLAG) -> None:
    """Refuse a device that is not there.

    Args:
        name: Name of the device.
        advice: Sentence that says what to do, without its full stop.

    Raises:
        RuntimeError: PyTorch cannot use it; says why, and what to do.
    """
    why = missing_device(name)
    if why:
        raise RuntimeError(_refusal(why, advice))


@contextmanager
def device_in_words(name: str) -> Iterator[None]:
    """Say of a failure on a device that is not there what :func:`require_device` would have said.

    Args:
        name: Name of the device.

    Raises:
        RuntimeError: Work on the device failed, and it is not there.
    """
    try:
        yield
    except (RuntimeError, AssertionError):
        why = missing_device(name)
        if not why:
            raise
        # The driver's traceback would stand above these words.
        raise RuntimeError(_refusal(why, CPU_FLAG)) from None


def _refusal(why: str, advice: str) -> str:
    return f"{why}. {advice}; nnunet_uad doctor checks the rest."
