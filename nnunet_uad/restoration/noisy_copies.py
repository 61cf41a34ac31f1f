"""Reconstruction as the mean over noisy copies of the image (denoising autoencoders)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from nnunet_uad.corruption.coarse_noise import CoarseNoise
from nnunet_uad.restoration.base import Restoration


class NoisyCopies(Restoration):
    """Mean over the network's outputs for several noisy copies of the image; the noise is the same in all channels.

    Args:
        spacing: Voxel size per axis of the patch, mm.
        copies: Number of copies, at least 1.
        cell_mm: Cell of the coarse noise, mm.
        std: Standard deviation of the noise, z-score units.
    """

    kind = "noisy_copies"
    drawn_inside = True

    def __init__(self, spacing: Sequence[float], copies: int, cell_mm: float, std: float) -> None:
        self.spacing, self.copies = tuple(float(s) for s in spacing), copies
        self.cell_mm, self.std = float(cell_mm), float(std)
        self.noise = CoarseNoise(self.spacing, (self.cell_mm,) * 2, (self.std,) * 2)
        self.drawing = self if copies == 1 else NoisyCopies(spacing, 1, cell_mm, std)

    def draw(self, image: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """Noise of every copy: (B, copies, *spatial)."""
        return torch.cat([self.noise.draw(image[:, :1], generator) for _ in range(self.copies)], dim=1)

    def reconstruct(self, network: nn.Module, image: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
        """Mean over the copies, of the shape of the image (B, C, *spatial)."""
        total = torch.zeros_like(image, dtype=torch.float32)
        for copy in range(self.copies):
            total += network(image + drawn[:, copy : copy + 1])
        return total / self.copies

    def to_json(self) -> dict[str, Any]:
        """Kind and arguments."""
        return {
            "kind": self.kind,
            "spacing": list(self.spacing),
            "copies": self.copies,
            "cell_mm": self.cell_mm,
            "std": self.std,
        }
