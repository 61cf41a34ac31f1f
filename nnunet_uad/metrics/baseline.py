"""The baselines that every anomaly score has to beat: the intensity itself, as robust z or as ranks.

Meissen et al., BrainLes 2021, https://arxiv.org/abs/2109.06023
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnunet_uad.metrics.smoothing import smoothed


def robust_z(
    image: np.ndarray, foreground: np.ndarray, spacing: Sequence[float], smoothing_mm: float = 0.0
) -> np.ndarray:
    """Intensity in robust z-scores, (x − median) / interquartile range of the foreground, smoothed within it.

    Thresholding FLAIR alone beats most residuals (Meissen et al., see above); smoothed by the size of a lesion it is
    stronger still. Unlike ranks, these values are comparable between cases. Where the interquartile range is 0, as in
    an image that is mostly one value, the standard deviation takes its place; a constant image is 0 everywhere.

    Args:
        image: Intensities of one channel (z, y, x) or (y, x), in any unit: a·x + b with a > 0 gives the same.
        foreground: Mask of the foreground, boolean, of the same shape.
        spacing: Voxel size per axis, mm.
        smoothing_mm: Standard deviation of a Gaussian within the foreground, mm; 0 for none.

    Returns:
        Robust z-scores of the same shape, float32, below 0 where darker than the median; 0 outside the foreground.

    Example:
        >>> image = np.array([[0.0, 10.0, 20.0, 30.0, 40.0, 90.0]])
        >>> robust_z(image, image > 0, (1.0, 1.0)).tolist()
        [[0.0, -1.0, -0.5, 0.0, 0.5, 3.0]]
    """
    scores = np.zeros(image.shape, dtype=np.float32)
    values = image[foreground].astype(np.result_type(image, np.float32), copy=False)
    if values.size:
        low, median, high = np.percentile(values, (25, 50, 75))
        spread = float(high - low) or float(values.std(dtype=np.float64)) or 1.0
        scores[foreground] = (values - median) / spread
    return smoothed(scores, foreground, spacing, smoothing_mm)


def above_zero(z: np.ndarray) -> np.ndarray:
    """Robust z with every value above 0, in the same order: z + 1 from 0 on, exp(z) below.

    As in other maps, what is dark ranks before what is outside the image. Those squeeze what is below 0 harder: by
    −2.5, which necrosis reaches, nothing would be left to rank by, to the floor's disadvantage.

    Args:
        z: Robust z-scores of any shape.
    """
    # exp(−27) is the smallest score that histograms tell from 0.
    return np.where(z >= 0, z + 1, np.exp(np.clip(z, -27, 0)))


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
