"""Image + reconstruction → anomaly map → mask."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnunet_uad.scoring.filters import eroded, median_filtered, smoothed, without_small_components
from nnunet_uad.scoring.residual import ssim_residual, weighted_residual
from nnunet_uad.scoring.settings import ScoreSettings, channel_weights


def anomaly_map(
    image: np.ndarray,
    reconstruction: np.ndarray,
    foreground: np.ndarray,
    spacing: Sequence[float],
    channel_names: Sequence[str],
    settings: ScoreSettings,
    axes: int = 3,
) -> np.ndarray:
    """The anomaly score of every voxel, at least 0, higher is more anomalous.

    Args:
        image: (C, z, y, x), preprocessed, z-score units.
        reconstruction: of the same shape.
        foreground: boolean (z, y, x).
        spacing: mm per axis of the volume.
        channel_names: of the C channels.
        settings: how to score.
        axes: 2 for models that see slices (their structural similarity is one of slices), else 3.

    Returns:
        (z, y, x) float32; 0 outside the eroded foreground. Signed scores below 0 become 0: a voxel darker than
        expected is not what they look for.
    """
    weights = channel_weights(settings.channel_weights, channel_names)
    if settings.residual == "ssim":
        score = ssim_residual(image, reconstruction, weights, axes)
    else:
        expected = reconstruction * np.float32(1 - settings.intensity_weight)
        score = weighted_residual(image, expected, weights, settings.residual)
    score = smoothed(score, foreground, spacing, settings.smoothing_mm)
    if settings.median_mm > 0:
        score = median_filtered(score, spacing, settings.median_mm)
    inner = eroded(foreground, spacing, settings.erosion_mm)
    return np.where(inner, np.maximum(score, 0.0), 0.0).astype(np.float32)


def anomaly_mask(score: np.ndarray, threshold: float, spacing: Sequence[float], settings: ScoreSettings) -> np.ndarray:
    """Voxels whose score is at least ``threshold``, small components removed: boolean, of the shape of ``score``."""
    return without_small_components(score >= threshold, spacing, settings.min_component_mm3)
