"""How much memory a training step will take, before it is run."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable

import torch
from torch import nn

#: Weights, their gradients and AdamW's two moments, float32.
_BYTES_PER_WEIGHT = 4 * 4
#: An estimate may be so much too high: what needs less than this multiple of a device's memory is worth a try.
TOLERANCE = 1.1


def training_bytes(network: nn.Module, forward: Callable[[nn.Module], object], mixed: bool = False) -> int:
    """Bytes of a step: what autograd keeps for the backward pass, weights, gradients and moments, float32.

    The network is run on PyTorch's meta device, which computes shapes only.

    Args:
        network: Network on any device; a copy is measured.
        forward: Function that calls a network, which lies on the meta device.
        mixed: Whether the step runs in mixed precision, which keeps half as many bytes for the backward pass.
    """
    measured = copy.deepcopy(network).to("meta").train()
    kept: dict[int, torch.Tensor] = {}

    def remember(tensor: torch.Tensor) -> torch.Tensor:
        """Note what autograd keeps, of any shape."""
        # Keeping the tensor keeps its number from being given to another one.
        kept[tensor.untyped_storage()._cdata] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(remember, lambda tensor: tensor):
        forward(measured)
    weights = {p.untyped_storage()._cdata for p in measured.parameters()}
    activations = sum(t.untyped_storage().nbytes() for key, t in kept.items() if key not in weights)
    return activations // (2 if mixed else 1) + _BYTES_PER_WEIGHT * sum(p.numel() for p in measured.parameters())


def device_bytes(device: torch.device) -> int:
    """Memory of a GPU, of the machine for other devices."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
