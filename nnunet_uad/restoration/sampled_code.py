"""Reconstruction from a code that is drawn from its Gaussian (variational autoencoders)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from nnunet_uad.corruption.blocks import RandomBlocks
from nnunet_uad.restoration.base import Restoration

_GOLDEN, _32_BITS = 0x9E3779B9, 0xFFFFFFFF


class SampledCode(Restoration):
    """The image from one sample of its code, mean + standard deviation · noise, instead of from the mean.

    A code has many channels, and noise for all of them at every voxel of a volume would take many times the memory of
    the image. So what is drawn is one number per block of the volume, as large as a position of the code; the noise of
    a position is made of the number at its centre. Overlapping tiles and mirrored copies thus see the same noise.

    Args:
        cell: Voxels per axis that a position of the code stands for.
    """

    kind = "sampled_code"

    def __init__(self, cell: Sequence[int]) -> None:
        # The share hidden in a training does not matter here.
        self.blocks = RandomBlocks(cell, (0.5, 0.5))
        self.drawing = self

    def draw(self, image: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """Number of every voxel's block: (B, 1, *spatial), whole numbers below 2²⁴ as float32."""
        return self.blocks.numbers(image[:, :1], generator)

    def reconstruct(self, network: nn.Module, image: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
        """The image (B, C, *spatial) from a sample of its code."""
        mean, log_variance = network.encode(image)
        numbers = functional.interpolate(drawn[:, :1], size=mean.shape[2:], mode="nearest-exact")
        noise = standard_normal(numbers, mean.shape[1]).to(mean.dtype)
        return network.generator(mean + noise * (0.5 * log_variance).exp()).float()

    def to_json(self) -> dict[str, Any]:
        """Kind and arguments."""
        return {"kind": self.kind, "cell": list(self.blocks.block_size)}


def standard_normal(numbers: torch.Tensor, channels: int) -> torch.Tensor:
    """Noise of unit variance that is the same for the same number, on every device.

    The bits of number and channel are mixed as by Wellons' ``lowbias32`` (https://github.com/skeeto/hash-prospector).

    Args:
        numbers: Whole numbers below 2²⁴, (B, 1, *spatial).
        channels: Number of channels of the noise.

    Returns:
        Noise (B, channels, *spatial), float32.
    """
    channel = torch.arange(channels, device=numbers.device).reshape(-1, *(1,) * (numbers.ndim - 2))
    bits = (numbers.long() + channel * _GOLDEN) & _32_BITS
    bits = ((bits ^ (bits >> 16)) * 0x7FEB352D) & _32_BITS
    bits = ((bits ^ (bits >> 15)) * 0x846CA68B) & _32_BITS
    bits = bits ^ (bits >> 16)
    # 23 bits and a half: float32 holds them exactly, and neither end is reached, where the noise would be infinite.
    uniform = ((bits >> 9).float() + 0.5) / 2**23
    return math.sqrt(2.0) * torch.erfinv(2 * uniform - 1)
