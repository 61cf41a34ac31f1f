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
