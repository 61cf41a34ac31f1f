"""What an anomaly looks like: ways of changing an image, each returning where it is changed.

All work in place on one patch (C, *spatial), z-score units, and return a boolean mask (*spatial). ``other`` is a patch
of the same shape from elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.fft import dstn, idstn

from nnunet_uad.anomalies.perlin import perlin_noise
from nnunet_uad.anomalies.randomness import Random
from nnunet_uad.anomalies.shapes import Box, Shape

#: Differences below this, in z-score units, are not to be found by anyone: they are not marked.
VISIBLE = 0.1


def blend_texture(image: np.ndarray, mask: np.ndarray, texture: np.ndarray, opacity: float) -> np.ndarray:
    """Blend: x ← (1 − β) x + β · texture within the mask (DRAEM, Zavrtanik et al., ICCV 2021)."""
    change = (texture - image) * (opacity * mask)
    image += change
    return _visible(change, mask)


def noise_texture(shape: Sequence[int], channels: int, rng: Random) -> np.ndarray:
    """Perlin noise of a random mean and amplitude per channel: (C, *shape)."""
    cells = [max(1.0, n / rng.uniform(3, 12)) for n in shape]
    noise = perlin_noise(shape, cells, rng)
    mean, amplitude = rng.normal(0, 1.5, channels), rng.uniform(0.2, 1.0, channels)
    column = (channels,) + (1,) * len(shape)
    return (mean.reshape(column) + amplitude.reshape(column) * noise).astype(np.float32)


def cut_paste(image: np.ndarray, foreground: np.ndarray, box: Box, rng: Random) -> np.ndarray:
    """Put a part of the image, slightly jittered, elsewhere (CutPaste, Li et al., CVPR 2021)."""
    source = []
    for b, n in zip(box, foreground.shape, strict=True):
        start = int(rng.randint(n - (b.stop - b.start) + 1))
        source.append(slice(start, start + b.stop - b.start))
    part = image[(slice(None), *source)] + rng.normal(0, 0.3, (len(image),) + (1,) * len(box)).astype(np.float32)
    inside = foreground[box] & foreground[tuple(source)]
    return _change_box(image, foreground, box, (part - image[(slice(None), *box)]) * inside)


def interpolate(image: np.ndarray, other: np.ndarray, foreground: np.ndarray, box: Box, share: float) -> np.ndarray:
    """Mix: x ← (1 − α) x + α y within a box (foreign patch interpolation, Tan et al. 2020)."""
    here = (slice(None), *box)
    return _change_box(image, foreground, box, (other[here] - image[here]) * (share * foreground[box]))


def interpolate_gradients(
    image: np.ndarray, other: np.ndarray, foreground: np.ndarray, box: Box, share: float
) -> np.ndarray:
    """As :func:`interpolate` for gradients: no edge along the box (Poisson interpolation, Tan et al. 2021)."""
    here = (slice(None), *box)
    change = share * without_border(other[here] - image[here])
    return _change_box(image, foreground, box, change * foreground[box])


def without_border(difference: np.ndarray) -> np.ndarray:
    """The field with the Laplacian of ``difference`` (C, *box) that is 0 on the border of the box.

    The Laplacian of a box is diagonal in sines: the discrete Poisson equation is solved exactly.
    """
    axes = tuple(range(1, difference.ndim))
    result = np.zeros_like(difference, dtype=np.float32)
    if min(difference.shape[1:]) < 3:
        return result
    inner = (slice(None), *(slice(1, -1) for _ in axes))
    laplacian = -2.0 * len(axes) * difference[inner]
    eigenvalues = np.zeros((), np.float32)
    for axis in axes:
        for side in (slice(0, -2), slice(2, None)):
            laplacian += difference[tuple(side if a == axis else s for a, s in enumerate(inner))]
        n = difference.shape[axis] - 2
        line = 2 * np.cos(np.pi * np.arange(1, n + 1, dtype=np.float32) / (n + 1)) - 2
        eigenvalues = eigenvalues + line.reshape([-1 if a == axis else 1 for a in axes])
    result[inner] = idstn(dstn(laplacian, type=1, axes=axes) / eigenvalues, type=1, axes=axes)
    return result


def shift_intensity(
    image: np.ndarray, foreground: np.ndarray, shape: Shape, shift: np.ndarray, edge_mm: float
) -> np.ndarray:
    """Add ``shift`` (C) within a shape whose edge is ``edge_mm`` wide; the mask is the shape at half opacity."""
    opacity = shape.soft(edge_mm) * foreground[shape.box]
    change = shift.reshape(-1, *(1,) * opacity.ndim).astype(np.float32) * opacity
    image[(slice(None), *shape.box)] += change
    mask = np.zeros(foreground.shape, bool)
    mask[shape.box] = (opacity > 0.5) & (np.abs(change).max(0) > VISIBLE)
    return mask


def _change_box(image: np.ndarray, foreground: np.ndarray, box: Box, change: np.ndarray) -> np.ndarray:
    image[(slice(None), *box)] += change
    mask = np.zeros(foreground.shape, bool)
    mask[box] = _visible(change, foreground[box])
    return mask


def _visible(change: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return (np.abs(change).max(0) > VISIBLE) & mask
