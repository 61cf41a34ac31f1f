"""Tensors of a file that somebody else may have written: are they weights at all?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

_MOST_NAMED = 3


def check_tensors(path: Path, tensors: Mapping[Any, Any]) -> None:
    """Refuse what no network can be made of, before anything is computed with it.

    Args:
        path: File that holds the tensors, for the error.
        tensors: Tensors of any shape by name.

    Raises:
        ValueError: There is none; a name is no text; a value is no tensor, is sparse, quantised, complex or larger
            than the file's data; or a number is NaN or infinite. Names the file and the first tensors concerned.
    """
    if not tensors:
        raise ValueError(f"{path} holds no weights: expected at least one tensor.")
    for name, tensor in tensors.items():
        fault = _fault(name, tensor)
        if fault:
            raise ValueError(f"{path} holds no usable weights: {name!r} is {fault}, expected a tensor with a name.")
    spoilt = [str(name) for name, t in _distinct(tensors).items() if not is_finite(t)]
    if spoilt:
        more = f" and {len(spoilt) - _MOST_NAMED} more" if len(spoilt) > _MOST_NAMED else ""
        raise ValueError(
            f"{path} holds NaN or infinite numbers, in {', '.join(spoilt[:_MOST_NAMED])}{more} of {len(tensors)} "
            "tensors: the training that wrote it diverged, or the file was altered. Expected finite weights; repeat "
            "that training with a lower learning_rate, or use an earlier checkpoint of it."
        )


def is_finite(tensor: torch.Tensor) -> bool:
    """Whether every number of a tensor is finite; whole numbers always are.

    Args:
        tensor: Tensor of any shape, on any device.
    """
    if not tensor.is_floating_point():
        return True
    # PyTorch has no test for 8-bit numbers.
    values = tensor.float() if tensor.element_size() == 1 else tensor
    return bool(torch.isfinite(values).all())


def _fault(name: Any, tensor: Any) -> str:
    """What is wrong with an entry, empty if nothing is."""
    if not isinstance(name, str):
        return f"a name of type {type(name).__name__}"
    if not isinstance(tensor, torch.Tensor):
        return f"of type {type(tensor).__name__}"
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta:
        return "sparse, quantised or without data"
    if tensor.is_complex():
        return "complex"
    # A view can repeat one number a billion times: small in the file, not in memory.
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        return f"of shape {list(tensor.shape)}, more than the file has numbers for"
    return ""


def _distinct(tensors: Mapping[Any, torch.Tensor]) -> dict[Any, torch.Tensor]:
    """Each tensor once: nnU-Net's networks register most of them under several names."""
    places: dict[tuple, Any] = {}
    for name, tensor in tensors.items():
        places.setdefault((tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype), name)
    return {name: tensors[name] for name in places.values()}
