"""Coarse Gaussian noise (Kascenas et al., MIDL 2022, section 3.1: https://proceedings.mlr.press/v172/kascenas22a.html)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch.nn import functional

_LINEAR = {2: "bilinear", 3: "trilinear"}


class CoarseNoise:
    """Gaussian noise on a coarse grid, linearly upsampled and randomly shifted.

    The published recipe rolls the upsampled noise by a random shift; rolling wraps the border around, so this
    one draws a grid larger than the patch and cuts the patch out at a random offset: the same distribution
    without the seam.

    Args:
        spacing: Voxel size of the patch in mm, one entry per spatial axis.
        cell_mm: Range of the grid cell's edge length in mm; one length is drawn per batch.
        std: Range of the standard deviation at the grid's nodes in z-score units, drawn per sample.

    Raises:
        ValueError: A range is not positive and ascending, or the spacing not 2D or 3D.
    """

    def __init__(self, spacing: Sequence[float], cell_mm: Sequence[float], std: Sequence[float]) -> None:
        if len(spacing) not in _LINEAR:
            raise ValueError(f"CoarseNoise expects 2 or 3 spatial axes, found spacing {tuple(spacing)}.")
        for name, (low, high) in {"noise_cell_mm": cell_mm, "noise_std": std}.items():
            if not 0 < low <= high:
                raise ValueError(f"{name} expects 0 < low <= high, found [{low}, {high}].")
        self.spacing = tuple(float(s) for s in spacing)
        self.cell_mm = (float(cell_mm[0]), float(cell_mm[1]))
        self.std = (float(std[0]), float(std[1]))

    def draw(self, image: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """Noise, independent per sample and channel.

        Cell and offset are needed on the host, which must not wait for the device: they come from a CPU generator
        (PyTorch's global one, or one with the same seed).

        Args:
            image: Tensor (B, C, *spatial) of which shape and device count.
            generator: Source of randomness on that device; PyTorch's global one if omitted.

        Returns:
            Noise (B, C, *spatial), float32, z-score units.
        """
        host = generator
        if generator is not None and generator.device.type != "cpu":
            host = torch.Generator().manual_seed(generator.initial_seed())
        draws = torch.rand(1 + len(self.spacing), generator=host).tolist()
        cell = self.cell_mm[0] + (self.cell_mm[1] - self.cell_mm[0]) * draws[0]
        shape = image.shape[2:]
        # A cell below one voxel would mean drawing more nodes than voxels; one node per voxel is white noise.
        cells = [max(1.0, cell / s) for s in self.spacing]
        nodes = [math.ceil(n / c) + 2 for n, c in zip(shape, cells, strict=True)]
        grid = torch.randn((*image.shape[:2], *nodes), device=image.device, dtype=torch.float32, generator=generator)
        low, high = self.std
        scale = torch.rand((image.shape[0],) + (1,) * (image.ndim - 1), device=image.device, generator=generator)
        grid *= low + (high - low) * scale
        fine = [max(n + 1, round(k * c)) for n, k, c in zip(shape, nodes, cells, strict=True)]
        noise = functional.interpolate(grid, size=fine, mode=_LINEAR[len(shape)], align_corners=False)
        for axis, (size, total) in enumerate(zip(shape, fine, strict=True)):
            noise = noise.narrow(axis + 2, int(draws[axis + 1] * (total - size + 1)), size)
        return noise
