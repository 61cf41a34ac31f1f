"""Random blocks for masked autoencoding (Wald et al., CVPR 2025, https://arxiv.org/abs/2410.23132; as in nnssl)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch.nn import functional


class RandomBlocks:
    """Splits a patch into blocks and hides a share of them.

    Args:
        block_size: Voxels per axis of a block; a patch need not be a multiple of it, border blocks are cut.
        ratio: Range of the hidden share of blocks, drawn per sample.

    Raises:
        ValueError: A block is smaller than one voxel, or a ratio outside (0, 1).
    """

    def __init__(self, block_size: Sequence[int], ratio: Sequence[float]) -> None:
        if any(b < 1 for b in block_size):
            raise ValueError(f"block_size expects at least one voxel per axis, found {tuple(block_size)}.")
        if not 0 < ratio[0] <= ratio[1] < 1:
            raise ValueError(f"mask_ratio expects 0 < low <= high < 1, found {tuple(ratio)}.")
        self.block_size = tuple(int(b) for b in block_size)
        self.ratio = (float(ratio[0]), float(ratio[1]))

    def draw(self, image: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """Hide random blocks; at least one is hidden and one is visible where there are two or more.

        Args:
            image: Tensor (B, C, *spatial) of which shape and device count.
            generator: Source of randomness on that device; PyTorch's global one if omitted.

        Returns:
            Mask of the hidden voxels (B, 1, *spatial), the same in all channels.
        """
        keys, upsample = self._block_keys(image, generator)
        flat = keys.flatten(1)
        count = flat.shape[1]
        low, high = self.ratio
        drawn = torch.rand((flat.shape[0], 1), device=image.device, generator=generator)
        hidden = ((low + (high - low) * drawn) * count).round().clamp(1, max(1, count - 1))
        ranks = flat.argsort(1).argsort(1)
        return upsample((ranks < hidden).view_as(keys))

    def partition(self, image: torch.Tensor, groups: int, generator: torch.Generator | None) -> torch.Tensor:
        """Assign every block to one of equal random groups.

        Args:
            image: Tensor (B, C, *spatial) of which shape and device count.
            groups: Number of groups.
            generator: Source of randomness on that device; PyTorch's global one if ``None``.

        Returns:
            Number of the group of every voxel, integer (B, 1, *spatial).
        """
        keys, upsample = self._block_keys(image, generator)
        ranks = keys.flatten(1).argsort(1).argsort(1)
        return upsample((ranks % groups).view_as(keys))

    def numbers(self, image: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
        """Give every block a random number.

        Args:
            image: Tensor (B, C, *spatial) of which shape and device count.
            generator: Source of randomness on that device; PyTorch's global one if ``None``.

        Returns:
            Number of every voxel's block (B, 1, *spatial), whole, below 2²⁴, float32.
        """
        keys, upsample = self._block_keys(image, generator)
        return upsample((keys * 2**24).floor())

    def _block_keys(
        self, image: torch.Tensor, generator: torch.Generator | None
    ) -> tuple[torch.Tensor, Callable[[torch.Tensor], torch.Tensor]]:
        """A random key per block and the function that spreads block values over voxels."""
        shape = image.shape[2:]
        blocks = [math.ceil(n / b) for n, b in zip(shape, self.block_size, strict=True)]
        keys = torch.rand((image.shape[0], 1, *blocks), device=image.device, generator=generator)

        def upsample(values: torch.Tensor) -> torch.Tensor:
            """Values of blocks (B, 1, *blocks) → of voxels (B, 1, *spatial)."""
            full = functional.interpolate(values.float(), scale_factor=[float(b) for b in self.block_size])
            for axis, n in enumerate(shape, start=2):
                full = full.narrow(axis, 0, n)
            return full.to(values.dtype)

        return keys, upsample
