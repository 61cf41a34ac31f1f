"""A Gaussian low-pass as a fixed layer of a network."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from nnunet_uad.common.precision import full_precision

#: Standard deviations after which a kernel ends.
_REACH = 4.0


class GaussianBlur(nn.Module):
    """Blurs every channel alike; at the border what lies outside does not count (normalised convolution).

    Its kernels are no weights: they are in no state dictionary.

    Args:
        std: Standard deviation per spatial axis, voxels; 0 leaves an axis as it is.
    """

    def __init__(self, std: Sequence[float]) -> None:
        super().__init__()
        self.axes = len(std)
        self.blurred = [axis for axis, width in enumerate(std) if width > 0]
        for axis in self.blurred:
            self.register_buffer(f"kernel_{axis}", _kernel(std[axis]), persistent=False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """The blurred image (B, C, *spatial), in the precision of the kernels."""
        convolution = functional.conv2d if self.axes == 2 else functional.conv3d
        # Half precision would leave the kernel's tail out.
        with full_precision(image.device):
            blurred = image.flatten(0, 1)[:, None]
            for axis in self.blurred:
                kernel = getattr(self, f"kernel_{axis}")
                shape = [-1 if a == axis else 1 for a in range(self.axes)]
                padding = [len(kernel) // 2 if a == axis else 0 for a in range(self.axes)]
                blurred = convolution(blurred.to(kernel.dtype), kernel.view(1, 1, *shape), padding=padding)
                line = kernel.new_ones(1, 1, image.shape[2 + axis])
                blurred = blurred / functional.conv1d(line, kernel[None, None], padding=len(kernel) // 2).view(shape)
        return blurred.reshape(image.shape)


def _kernel(std: float) -> torch.Tensor:
    reach = max(1, math.ceil(_REACH * std))
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=torch.float64) / std) ** 2)
    return (weights / weights.sum()).float()
