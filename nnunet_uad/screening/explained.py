"""What a segmentation explains of an anomaly map, and what is left as unknown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from nnunet_uad.metrics.boxes import bounding_box


def explained(known: np.ndarray, spacing: Sequence[float], margin_mm: float) -> np.ndarray:
    """Voxels that a segmentation explains: its own, and those whose centre lies within a margin around them.

    Args:
        known: Mask of the segmentation (z, y, x) or (y, x), boolean.
        spacing: Voxel size per axis, mm.
        margin_mm: Distance within which an anomaly belongs to the segmentation, mm: maps are smooth, and lesions have
            rims that nobody annotates.

    Returns:
        Mask of the same shape, boolean.

    Example:
        >>> explained(np.array([[False, False, False, True]]), (1.0, 2.0), margin_mm=2.0).tolist()
        [[False, False, True, True]]
    """
    result = known.astype(bool)
    if margin_mm <= 0 or not result.any():
        return result
    # Distances reach no further than the margin: the box around it is small, the volume is not.
    reach = [int(np.ceil(margin_mm / s)) for s in spacing]
    box = tuple(slice(max(0, b.start - r), b.stop + r) for b, r in zip(bounding_box(result), reach, strict=True))
    distance = ndimage.distance_transform_edt(~result[box], sampling=[float(s) for s in spacing])
    result[box] = distance <= margin_mm
    return result


def unknown(scores: np.ndarray, near: np.ndarray, threshold: float) -> np.ndarray:
    """Voxels that are anomalous and not explained; decided voxel by voxel, before they are grouped to findings.

    A part of an anomaly that reaches beyond the margin is unknown even where the rest of it is explained.

    Args:
        scores: Anomaly map (z, y, x) or (y, x), above 0 in the foreground, 0 outside.
        near: Mask of what is explained (:func:`explained`), of the same shape.
        threshold: Least score of an anomalous voxel.

    Returns:
        Mask of the same shape, boolean.
    """
    return (scores >= threshold) & (scores > 0) & ~near
