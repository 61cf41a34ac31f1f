"""Simplex noise in octaves (Perlin 2001; for diffusion: AnoDDPM, https://doi.org/10.1109/CVPRW56347.2022.00080)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

#: Squared radius of a lattice point's influence, the largest that leaves the noise continuous.
RADIUS_SQUARED = 0.5


class SimplexNoise:
    """Simplex noise of unit variance: gradients on a simplex lattice, in octaves, on the device of the image.

    Usual generators look gradients up in a table of permutations, voxel by voxel. Here a batch shares the lattice (its
    place is drawn anew for every batch), each sample and channel has gradients of its own, and only what they are
    multiplied with is computed once.

    Args:
        spacing: Voxel size of the patch in mm, one entry per spatial axis (2 or 3).
        wavelength_mm: Edge length of the first octave's lattice cells (AnoDDPM: 64 pixels, about 60 mm).
        octaves: Number of octaves, each of half the wavelength of the one before. Octaves below two voxels are left
            out: the grid cannot carry them.
        persistence: Amplitude of an octave as a multiple of the one before.

    Raises:
        ValueError: There are other than 2 or 3 axes, or wavelength, octaves or persistence are not positive.
    """

    def __init__(
        self, spacing: Sequence[float], wavelength_mm: float = 60.0, octaves: int = 6, persistence: float = 0.8
    ) -> None:
        if len(spacing) not in (2, 3):
            raise ValueError(f"SimplexNoise expects 2 or 3 spatial axes, found spacing {tuple(spacing)}.")
        if not (wavelength_mm > 0 and octaves >= 1 and persistence > 0):
            raise ValueError(
                "Simplex noise expects a positive wavelength and persistence and at least one octave, found "
                f"{wavelength_mm} mm, {persistence}, {octaves}."
            )
        self.spacing = tuple(float(s) for s in spacing)
        lengths = [wavelength_mm / 2**k for k in range(octaves)]
        self.wavelengths = [w for w in lengths if w >= 2 * min(self.spacing)] or lengths[:1]
        amplitudes = [persistence**k for k in range(len(self.wavelengths))]
        scale = math.sqrt(sum(a * a for a in amplitudes) * _variance(len(spacing)))
        self.amplitudes = [a / scale for a in amplitudes]

    def draw(self, image: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """Noise, independent per sample and channel.

        As in :mod:`~nnunet_uad.corruption.coarse_noise`, what the host must know comes from a CPU generator.

        Args:
            image: Tensor (B, C, *spatial) of which shape and device count.
            generator: Source of randomness on that device; PyTorch's global one if omitted.

        Returns:
            Noise (B, C, *spatial), float32.
        """
        host = generator
        if generator is not None and generator.device.type != "cpu":
            host = torch.Generator().manual_seed(generator.initial_seed())
        shape = image.shape[2:]
        noise = torch.zeros((math.prod(image.shape[:2]), math.prod(shape)), device=image.device)
        for wavelength, amplitude in zip(self.wavelengths, self.amplitudes, strict=True):
            offset = torch.rand(len(shape), generator=host).tolist()
            cells = [s / wavelength for s in self.spacing]
            _add_octave(noise, shape, cells, offset, amplitude, generator)
        return noise.view(image.shape)


def _add_octave(
    noise: torch.Tensor,
    shape: Sequence[int],
    cells: Sequence[float],
    offset: Sequence[float],
    amplitude: float,
    generator: torch.Generator | None,
) -> None:
    """Add one octave to ``noise`` (samples, voxels), in place.

    Args:
        noise: Noise (samples, voxels) so far.
        shape: Voxels per axis.
        cells: Lattice units per voxel and axis.
        offset: Place of the first voxel, in lattice units.
        amplitude: Factor of the octave.
        generator: Source of the gradients.
    """
    axes, device = len(shape), noise.device
    skew, unskew = (math.sqrt(axes + 1) - 1) / axes, (1 - 1 / math.sqrt(axes + 1)) / axes
    lines = [torch.arange(n, device=device) * c + o for n, c, o in zip(shape, cells, offset, strict=True)]
    point = torch.stack([g.flatten() for g in torch.meshgrid(*lines, indexing="ij")])
    skewed = point + point.sum(0) * skew
    base = skewed.floor()
    local = point - base + base.sum(0) * unskew
    # Lattice indices start at 0 (all coordinates are positive) and end at the skewed last voxel, plus a corner.
    last = [(n - 1) * c + o for n, c, o in zip(shape, cells, offset, strict=True)]
    counts = [math.floor(x + sum(last) * skew) + 2 for x in last]
    strides = [math.prod(counts[a + 1 :]) for a in range(axes)]
    gradients = _directions((len(noise), math.prod(counts), axes), device, generator) * amplitude
    # The corners of a voxel's simplex: from the base one step along the axes, the largest coordinate first.
    order = local.argsort(0, descending=True)
    corner = torch.zeros_like(base)
    for k in range(axes + 1):
        if k:
            corner.scatter_(0, order[k - 1 : k], 1.0)
        away = local - corner + k * unskew
        weight = (RADIUS_SQUARED - (away * away).sum(0)).clamp_(min=0) ** 4
        index = sum(((base[a] + corner[a]).long() * strides[a] for a in range(axes)), start=0)
        for a in range(axes):
            noise += gradients[:, index, a] * (away[a] * weight)


def _directions(size: Sequence[int], device: torch.device, generator: torch.Generator | None) -> torch.Tensor:
    """Unit vectors, uniform on the circle or sphere, along the last axis."""
    drawn = torch.randn(tuple(size), device=device, generator=generator)
    return drawn / drawn.norm(dim=-1, keepdim=True).clamp(min=1e-6)


def _variance(axes: int) -> float:
    """Variance of one octave of amplitude 1, over space and gradients.

    A lattice point with a gradient that is uniform on the unit sphere contributes |d|² / n · (r² − |d|²)^8 at distance
    d. Integrated over the ball of radius r and multiplied with the density of lattice points, 1 / volume per point.
    """
    r2 = RADIUS_SQUARED
    # ∫ |d|² (r² − |d|²)^8 over the ball = surface · r^(n + 18) / 2 · B(n/2 + 1, 9).
    surface = 2 * math.pi ** (axes / 2) / math.gamma(axes / 2)
    beta = math.gamma(axes / 2 + 1) * math.gamma(9) / math.gamma(axes / 2 + 10)
    integral = surface * r2 ** ((axes + 18) / 2) / 2 * beta / axes
    # Skewing maps the unit cube, which holds one point, to this volume (the determinant of the unskew).
    volume = 1 - axes * ((1 - 1 / math.sqrt(axes + 1)) / axes)
    return integral / volume
