"""Perlin noise on a patch, for masks and textures.

Perlin, SIGGRAPH 1985, https://doi.org/10.1145/325165.325247
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from nnunet_uad.anomalies.randomness import Random


def perlin_noise(shape: Sequence[int], cells: Sequence[float], rng: Random) -> np.ndarray:
    """Perlin noise, about within −1 and 1, float32.

    The fade curve and a lattice point's ramp depend on one axis each, so the noise is a sum over axes of products of
    small matrices with the gradients, instead of a loop over corners.

    Args:
        shape: Voxels along each axis of the patch, 2 or 3 axes.
        cells: Lattice cells along each axis; the lattice starts at a random place within a cell.
        rng: Generator of offsets and gradients.

    Returns:
        Noise of that shape.
    """
    axes = len(shape)
    fades, ramps, nodes = [], [], []
    for n, count in zip(shape, cells, strict=True):
        fade, ramp = _axis(n, count, rng.random_sample())
        fades.append(fade)
        ramps.append(ramp)
        nodes.append(fade.shape[1])
    gradients = rng.standard_normal((axes, *nodes)).astype(np.float32)
    gradients /= np.sqrt((gradients**2).sum(0, keepdims=True)) + 1e-6
    noise = _project(gradients[0], [ramps[0], *fades[1:]])
    for a in range(1, axes):
        noise += _project(gradients[a], [*fades[:a], ramps[a], *fades[a + 1 :]])
    # DRAEM's factor, which brings the noise's range to about −1 and 1.
    noise *= math.sqrt(axes)
    return noise


def _axis(size: int, cells: float, offset: float) -> tuple[np.ndarray, np.ndarray]:
    """Fade weight, and fade weight times distance, of every lattice point for every voxel: (voxels, nodes)."""
    place = offset + np.arange(size, dtype=np.float32) * (cells / size)
    nodes = math.floor(offset + cells) + 2
    distance = place[:, None] - np.arange(nodes, dtype=np.float32)
    t = np.clip(1 - np.abs(distance), 0, None)
    fade = t * t * t * (t * (t * 6 - 15) + 10)
    return fade, fade * distance


def _project(values: np.ndarray, matrices: Sequence[np.ndarray]) -> np.ndarray:
    """Multiply every axis of ``values`` with its matrix."""
    if values.ndim == 2:
        return matrices[0] @ values @ matrices[1].T
    for axis, matrix in enumerate(matrices):
        values = np.moveaxis(np.tensordot(matrix, values, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(values)
