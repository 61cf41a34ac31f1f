"""How an anomaly gets into an image: ways of changing it, each returning where it is changed.

All work in place on one patch (C, *spatial), z-score units, and return a boolean mask (*spatial). ``other`` is a patch
of the same shape from elsewhere. Nothing is drawn here.
"""

from __future__ import annotations

import numpy as np
from scipy.fft import dstn, idstn

from nnunet_uad.anomalies.shapes import Box, Shape

#: Differences below this, in z-score units, are not to be found by anyone: they are not marked.
VISIBLE = 0.1


def blend_texture(image: np.ndarray, mask: np.ndarray, texture: np.ndarray, opacity: float) -> np.ndarray:
    """Blend: x ← (1 − β) x + β · texture within the mask.

    DRAEM: Zavrtanik et al., ICCV 2021, https://arxiv.org/abs/2108.07610

    Args:
        image: Patch (C, *spatial), z-score units, changed in place.
        mask: Voxels to blend (*spatial), boolean.
        texture: Texture to blend in (C, *spatial), z-score units.
        opacity: Share β of the texture, from 0 to 1.

    Returns:
        Mask (*spatial) of the visibly changed voxels.
    """
    change = (texture - image) * (opacity * mask)
    image += change
    return _visible(change, mask)


def cut_paste(image: np.ndarray, foreground: np.ndarray, box: Box, source: Box, jitter: np.ndarray) -> np.ndarray:
    """Put a part of the image, slightly jittered, elsewhere.

    CutPaste: Li et al., CVPR 2021, https://arxiv.org/abs/2104.04015

    Args:
        image: Patch (C, *spatial), z-score units, changed in place.
        foreground: Voxels that may be changed or copied (*spatial), boolean.
        box: Place in the patch to fill.
        source: Place to copy, of the size of ``box``.
        jitter: Offset per channel (C, 1, …), z-score units.

    Returns:
        Mask (*spatial) of the visibly changed voxels.
    """
    part = image[(slice(None), *source)] + jitter
    inside = foreground[box] & foreground[source]
    return _change_box(image, foreground, box, (part - image[(slice(None), *box)]) * inside)


def interpolate(image: np.ndarray, other: np.ndarray, foreground: np.ndarray, box: Box, share: float) -> np.ndarray:
    """Mix: x ← (1 − α) x + α y within a box.

    Foreign patch interpolation: Tan et al., 2020, https://arxiv.org/abs/2011.04197

    Args:
        image: Patch (C, *spatial), z-score units, changed in place.
        other: Another patch y (C, *spatial), z-score units.
        foreground: Voxels that may be changed (*spatial), boolean.
        box: Place in the patch.
        share: Share α of the other patch, from 0 to 1.

    Returns:
        Mask (*spatial) of the visibly changed voxels.
    """
    here = (slice(None), *box)
    return _change_box(image, foreground, box, (other[here] - image[here]) * (share * foreground[box]))


def interpolate_gradients(
    image: np.ndarray, other: np.ndarray, foreground: np.ndarray, box: Box, share: float
) -> np.ndarray:
    """As :func:`interpolate`, with its arguments and shapes, for gradients: no edge along the box.

    Poisson image interpolation: Tan et al., MICCAI 2021, https://arxiv.org/abs/2107.02622
    """
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
    """Make a shape brighter or darker; the mask is the shape at half opacity.

    Args:
        image: Patch (C, *spatial), z-score units, changed in place.
        foreground: Voxels that may be changed (*spatial), boolean.
        shape: Place and form of the anomaly.
        shift: Change of intensity per channel (C), z-score units.
        edge_mm: Width of the soft edge, mm.

    Returns:
        Mask (*spatial) of the visibly changed voxels.
    """
    opacity = shape.soft(edge_mm) * foreground[shape.box]
    change = shift.reshape(-1, *(1,) * opacity.ndim).astype(np.float32) * opacity
    image[(slice(None), *shape.box)] += change
    mask = np.zeros(foreground.shape, bool)
    mask[shape.box] = (opacity > 0.5) & (np.abs(change).max(0) > VISIBLE)
    return mask


def replace_tissue(
    image: np.ndarray, foreground: np.ndarray, shape: Shape, tissue: np.ndarray, opacity: float, edge_mm: float
) -> np.ndarray:
    """Put another tissue into a shape; the mask is the shape where at least half of the opacity is reached.

    Args:
        image: Patch (C, *spatial), z-score units, changed in place.
        foreground: Voxels that may be changed (*spatial), boolean.
        shape: Place and form of the anomaly.
        tissue: Intensity of the tissue (C, *box), z-score units.
        opacity: Share of the tissue in the middle of the shape; the rest is the image.
        edge_mm: Width of the soft edge, mm.

    Returns:
        Mask (*spatial) of the visibly changed voxels.
    """
    soft = shape.soft(edge_mm) * foreground[shape.box]
    place = (slice(None), *shape.box)
    change = ((tissue - image[place]) * (opacity * soft)).astype(np.float32)
    image[place] += change
    mask = np.zeros(foreground.shape, bool)
    mask[shape.box] = _visible(change, soft > 0.5)
    return mask


def _change_box(image: np.ndarray, foreground: np.ndarray, box: Box, change: np.ndarray) -> np.ndarray:
    image[(slice(None), *box)] += change
    mask = np.zeros(foreground.shape, bool)
    mask[box] = _visible(change, foreground[box])
    return mask


def _visible(change: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return (np.abs(change).max(0) > VISIBLE) & mask
