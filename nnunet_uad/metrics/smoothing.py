"""Smoothing within a mask, of anomaly maps and of the images that they are compared with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from nnunet_uad.metrics.boxes import bounding_box


def smoothed(volume: np.ndarray, foreground: np.ndarray, spacing: Sequence[float], sigma_mm: float) -> np.ndarray:
    """Gaussian mean over the foreground only (normalised convolution), 0 outside.

    Args:
        volume: Image or map (z, y, x) or (y, x).
        foreground: Mask of the same shape.
        spacing: Voxel size per axis, mm.
        sigma_mm: Standard deviation of the Gaussian, mm; 0 leaves the volume as it is.

    Returns:
        Smoothed volume of the same shape, float32.
    """
    if sigma_mm <= 0:
        return np.where(foreground, volume, 0.0).astype(np.float32)
    result = np.zeros(volume.shape, dtype=np.float32)
    if not foreground.any():
        return result
    # Nothing outside the foreground has a weight: its box gives the same to the last bit, and a brain fills a third.
    box = bounding_box(foreground)
    sigma, within = [sigma_mm / s for s in spacing], foreground[box]
    inside = within.astype(np.float32)
    total = ndimage.gaussian_filter(volume[box] * inside, sigma, mode="constant")
    weight = ndimage.gaussian_filter(inside, sigma, mode="constant")
    result[box][within] = total[within] / np.maximum(weight[within], 1e-6)
    return result
