"""The baseline that every anomaly score has to beat: the intensity itself.

Meissen et al., BrainLes 2021, https://arxiv.org/abs/2109.06023
"""

from __future__ import annotations

import numpy as np


def equalised_intensity(image: np.ndarray, foreground: np.ndarray) -> np.ndarray:
    """Histogram-equalised intensity: each voxel's rank among the foreground voxels, in (0, 1]; 0 outside.

    Equal intensities get the same, their highest rank.

    Args:
        image: Intensities of one channel, any shape.
        foreground: Mask of the foreground, boolean, of the same shape.
    """
    result = np.zeros(image.shape, dtype=np.float32)
    values = image[foreground]
    if values.size:
        _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
        result[foreground] = (np.cumsum(counts) / values.size)[inverse.reshape(-1)]
    return result


def image_foreground(image: np.ndarray) -> np.ndarray:
    """Voxels that are not background: all but 0 where 0 is the background, all where it is a value like others.

    In Hounsfield units 0 is water, and air is about -1000: there nothing is left out. An image with values below 0
    has a background of 0 only if most of its border is 0, as of brains cut out and normalised.

    Args:
        image: Intensities of one channel, any shape.

    Returns:
        Mask, boolean, of the same shape.

    Example:
        >>> image_foreground(np.array([[-1000, -1000, -1000], [-1000, 0, -1000], [-1000, -1000, -1000]])).all().item()
        True
    """
    if image.size and image.min() < 0:
        border = np.concatenate([np.take(image, (0, -1), axis).ravel() for axis in range(image.ndim)])
        if (border == 0).mean() <= 0.5:
            return np.ones(image.shape, dtype=bool)
    return image != 0
