"""Post-processing of maps and masks; all sizes in mm, converted with the voxel spacing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from nnunet_uad.metrics.lesions import connected_components
from nnunet_uad.metrics.smoothing import smoothed as smoothed


def eroded(foreground: np.ndarray, spacing: Sequence[float], depth_mm: float) -> np.ndarray:
    """Foreground voxels further than ``depth_mm`` from the background or the image's border.

    Args:
        foreground: Mask (z, y, x) of the voxels inside the image.
        spacing: Voxel size per axis, mm.
        depth_mm: Depth in mm; 0 leaves the foreground as it is.
    """
    if depth_mm <= 0 or not foreground.any():
        return foreground
    # Outside the image nothing is known: a border of background, except along axes of a single slice.
    width = [(0, 0) if n == 1 else (1, 1) for n in foreground.shape]
    padded = np.pad(foreground, width)
    distance = ndimage.distance_transform_edt(padded, sampling=spacing)
    inner = tuple(slice(a, n - b) for (a, b), n in zip(width, padded.shape, strict=True))
    return distance[inner] > depth_mm


def median_filtered(volume: np.ndarray, spacing: Sequence[float], edge_mm: float) -> np.ndarray:
    """Median over a box, an odd number of voxels per axis.

    Args:
        volume: Image or map (z, y, x).
        spacing: Voxel size per axis, mm.
        edge_mm: Edge of the box, mm.
    """
    size = [2 * int(edge_mm / s / 2) + 1 for s in spacing]
    return volume if max(size) == 1 else ndimage.median_filter(volume, size=size)


def without_small_components(mask: np.ndarray, spacing: Sequence[float], min_size: float) -> np.ndarray:
    """Remove components (diagonal neighbours connected) smaller than ``min_size``.

    Args:
        mask: Mask (z, y, x) or (y, x).
        spacing: Voxel size per axis, mm.
        min_size: Size below which a component is removed, mm³ (mm² for 2D masks).
    """
    if min_size <= 0 or not mask.any():
        return mask
    labels, count = connected_components(mask)
    sizes = np.bincount(labels.reshape(-1), minlength=count + 1) * float(np.prod(spacing))
    kept = sizes >= min_size
    kept[0] = False
    return kept[labels]
