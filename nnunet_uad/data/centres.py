"""Where patches may be centred so that they hold no lesion voxel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import maximum_filter

#: Edge, in voxels, of the least foreground in which a synthetic lesion has room.
LEAST_EDGE = 8


def foreground_centres(seg: np.ndarray) -> np.ndarray:
    """All voxels inside the image's nonzero region.

    Args:
        seg: Labels (z, y, x), −1 outside the nonzero region.

    Returns:
        Mask (z, y, x).
    """
    return seg >= 0


def healthy_slice_centres(seg: np.ndarray, least_foreground: int = 1) -> np.ndarray:
    """Foreground voxels of slices (first axis) without any labelled voxel.

    The ignore label counts as a label: what nobody annotated is not known to be healthy.

    Args:
        seg: Labels (z, y, x), −1 outside the nonzero region.
        least_foreground: Number of foreground voxels below which a slice is left out.

    Returns:
        Mask (z, y, x).
    """
    lesion_free = ~(seg > 0).any(axis=(1, 2), keepdims=True)
    foreground = seg >= 0
    return foreground & lesion_free & (foreground.sum(axis=(1, 2), keepdims=True) >= least_foreground)


def healthy_box_centres(seg: np.ndarray, patch_size: Sequence[int], final_patch_size: Sequence[int]) -> np.ndarray:
    """Foreground voxels whose whole 3D patch is free of labelled voxels.

    The loader places the box at ``max(lower bound, centre − patch // 2)`` (nnU-Net ``get_bbox``): near the
    lower border the box is moved, near the upper one it is padded. Both are reproduced here.

    Args:
        seg: Labels (z, y, x), −1 outside the nonzero region.
        patch_size: Size, in voxels per axis, that nnU-Net's loader cuts out around a centre (before spatial
            augmentation).
        final_patch_size: Size, in voxels per axis, that the network sees; the loader's padding follows from the
            difference.

    Returns:
        Mask (z, y, x).
    """
    # Entry c of the filter's output is the maximum over [c − p // 2, c − p // 2 + p).
    lesion = maximum_filter((seg > 0).astype(np.uint8), size=tuple(patch_size), mode="constant", cval=0)
    for axis, (size, patch, final) in enumerate(zip(seg.shape, patch_size, final_patch_size, strict=True)):
        pad = max(int(patch) - int(final), int(patch) - size)
        lower = -pad // 2
        effective = np.maximum(np.arange(size), lower + int(patch) // 2)
        lesion = np.take(lesion, effective, axis=axis, mode="clip")
    return (seg >= 0) & (lesion == 0)


def sample_locations(mask: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Random voxels of a mask, in nnU-Net's form.

    Args:
        mask: Mask (z, y, x) of the voxels to choose from.
        count: Number of voxels at most; all if there are fewer.
        seed: Seed of the choice.

    Returns:
        Rows of (0, z, y, x), sorted.

    Example:
        >>> sample_locations(np.array([[[False, True], [True, False]]]), count=10, seed=0).tolist()
        [[0, 0, 0, 1], [0, 0, 1, 0]]
    """
    flat = np.flatnonzero(mask)
    if len(flat) > count:
        flat = np.random.default_rng(seed).choice(flat, count, replace=False)
    coordinates = np.stack(np.unravel_index(np.sort(flat), mask.shape), axis=1)
    return np.concatenate([np.zeros((len(coordinates), 1), dtype=np.int64), coordinates], axis=1)
