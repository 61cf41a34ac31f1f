"""Reconstruction of every voxel from passes that hide it (masked autoencoders)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from nnunet_uad.corruption.blocks import RandomBlocks
from nnunet_uad.restoration.base import Restoration


class HiddenBlocks(Restoration):
    """Every voxel as predicted while hidden: the mean over the passes that hide it.

    In pass k only group k of the blocks is visible, so each voxel is hidden in all passes but one.

    Args:
        block_size: Voxels per axis of a block.
        groups: Number of groups, at least 2.
    """

    kind = "hidden_blocks"

    def __init__(self, block_size: Sequence[int], groups: int) -> None:
        # The share hidden in training does not matter here: groups partition the blocks.
        self.blocks = RandomBlocks(block_size, (0.5, 0.5))
        self.groups = groups
        self.drawing = self

    def draw(self, image: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """Group of every voxel's block: (B, 1, *spatial), whole numbers as float32."""
        return self.blocks.partition(image[:, :1], self.groups, generator).float()

    def reconstruct(self, network: nn.Module, image: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
        """Mean over the passes that hide a voxel, of the shape of the image (B, C, *spatial)."""
        total = torch.zeros_like(image, dtype=torch.float32)
        group = drawn[:, :1].round()
        for k in range(self.groups):
            hidden = group != k
            total += network(image.masked_fill(hidden, 0.0)) * hidden
        return total / (self.groups - 1)

    def to_json(self) -> dict[str, Any]:
        """Kind and arguments."""
        return {"kind": self.kind, "block_size": list(self.blocks.block_size), "groups": self.groups}
