"""Image + reconstruction → anomaly map → mask."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnunet_uad.common.channels import residual_kind
from nnunet_uad.metrics.baseline import above_zero, robust_z
from nnunet_uad.scoring.filters import eroded, median_filtered, smoothed, without_small_components
from nnunet_uad.scoring.residual import absolute_residual, signed_residual, ssim_residual
from nnunet_uad.scoring.scales import small_lesions
from nnunet_uad.scoring.score_settings import (
    STANDARDISED,
    ScoreSettings,
    channel_signs,
    channel_weights,
    main_channel,
)
from nnunet_uad.scoring.standardised import divisors

#: z-score units into which scores below 0 are squeezed.
_SQUEEZED = 0.1


def anomaly_map(
    image: np.ndarray,
    reconstruction: np.ndarray,
    foreground: np.ndarray,
    spacing: Sequence[float],
    channel_names: Sequence[str],
    settings: ScoreSettings,
    axes: int = 3,
    spread: np.ndarray | None = None,
) -> np.ndarray:
    """The anomaly score of every voxel, at least 0, higher is more anomalous.

    Args:
        image: Preprocessed image (C, z, y, x), z-score units.
        reconstruction: Reconstruction of the same shape.
        foreground: Mask (z, y, x) of the voxels inside the image.
        spacing: Voxel size per axis of the volume, mm.
        channel_names: Names of the C channels.
        settings: Settings of the score.
        axes: Spatial axes of the model: 2 for models that see slices (their structural similarity is one of slices),
            else 3.
        spread: Standard deviation of the reconstruction over several draws (C, z, y, x), for ``score=standardised``.

    Returns:
        Anomaly map (z, y, x), float32; 0 outside the eroded foreground, above 0 inside (see :func:`positive`).
    """
    if settings.score == STANDARDISED:
        divisor = divisors(spread, foreground, channel_weights(settings.channel_weights, channel_names))
        image, reconstruction = image / divisor, reconstruction / divisor
    score = residual_score(image, reconstruction, channel_names, settings, axes)
    return _within(positive(_filtered(score, foreground, spacing, settings)), foreground, spacing, settings)


def detection_map(
    probability: np.ndarray, foreground: np.ndarray, spacing: Sequence[float], settings: ScoreSettings
) -> np.ndarray:
    """The anomaly score of a model that gives every voxel a probability: filtered, 0 outside the eroded foreground.

    Args:
        probability: Probability of an anomaly (z, y, x).
        foreground: Mask (z, y, x) of the voxels inside the image.
        spacing: Voxel size per axis of the volume, mm.
        settings: Settings of the score; what they say of residuals does not apply.
    """
    return _within(_filtered(probability, foreground, spacing, settings), foreground, spacing, settings)


def intensity_factor(
    image: np.ndarray,
    foreground: np.ndarray,
    spacing: Sequence[float],
    channel_names: Sequence[str],
    settings: ScoreSettings,
) -> np.ndarray:
    """What a map is multiplied by where ``intensity_factor`` asks for it: the main channel as robust z above 0.

    Where a model errs on images unlike its own, in the folds and the rim of a brain, voxels are rarely as bright as
    lesions are; a product wants both.

    Args:
        image: Preprocessed image (C, z, y, x), in any unit.
        foreground: Mask (z, y, x) of the voxels inside the image.
        spacing: Voxel size per axis of the volume, mm.
        channel_names: Names of the C channels.
        settings: Settings of the score: channel, sign of the lesions' contrast and smoothing.

    Returns:
        Factor (z, y, x), above 0: 1 at the median intensity, 2 an interquartile range above it.
    """
    main = main_channel(settings.channel_weights, channel_names)
    z = robust_z(image[main], foreground, spacing, settings.smoothing_mm)
    return above_zero(z * np.float32(channel_signs(settings, channel_names)[main]))


def _filtered(
    score: np.ndarray, foreground: np.ndarray, spacing: Sequence[float], settings: ScoreSettings
) -> np.ndarray:
    score = smoothed(score, foreground, spacing, settings.smoothing_mm)
    return median_filtered(score, spacing, settings.median_mm) if settings.median_mm > 0 else score


def _within(score: np.ndarray, foreground: np.ndarray, spacing: Sequence[float], settings: ScoreSettings) -> np.ndarray:
    inner = eroded(foreground, spacing, settings.erosion_mm)
    return np.where(inner, score, 0.0).astype(np.float32)


def residual_score(
    image: np.ndarray, reconstruction: np.ndarray, channel_names: Sequence[str], settings: ScoreSettings, axes: int = 3
) -> np.ndarray:
    """The residual that a score is made of, neither filtered nor cut to the foreground: (z, y, x), z-score units.

    Args:
        image: Preprocessed image (C, z, y, x), z-score units.
        reconstruction: Reconstruction of the same shape.
        channel_names: Names of the C channels.
        settings: Settings of the score.
        axes: Spatial axes of the model: 2 for models that see slices, else 3.
    """
    weights = channel_weights(settings.channel_weights, channel_names)
    kind = residual_kind(settings.residual, channel_names)
    if kind == "ssim":
        return ssim_residual(image, reconstruction, weights, axes)
    if kind == "signed":
        return signed_residual(image, reconstruction * np.float32(1 - settings.intensity_weight), weights)
    return absolute_residual(image, reconstruction, weights)


def small_lesion_map(
    score: np.ndarray, foreground: np.ndarray, spacing: Sequence[float], settings: ScoreSettings
) -> np.ndarray:
    """The anomaly score that looks for lesions of few voxels: above 0 inside, 0 outside the eroded foreground.

    Args:
        score: Score (z, y, x) that was not filtered.
        foreground: Mask (z, y, x) of the voxels inside the image.
        spacing: Voxel size per axis of the volume, mm.
        settings: Settings of the score; its smoothing and its median, which would take such lesions away, do not apply.
    """
    return _within(positive(small_lesions(score, foreground, spacing)), foreground, spacing, settings)


def positive(score: np.ndarray) -> np.ndarray:
    """Raise scores by 0.1 and squeeze those below 0 into (0, 0.1), their order kept.

    Voxels darker than expected are not what a signed score looks for, but they are in the image: above 0, they rank
    before what is outside it, and among each other.

    Args:
        score: Signed score of any shape, z-score units.
    """
    small = np.float32(_SQUEEZED)
    # exp underflows to 0 near −88; far from there no order is left to keep.
    return np.where(score >= 0, score + small, small * np.exp(np.clip(score, -8.0, 0.0) / small))


def anomaly_mask(score: np.ndarray, threshold: float, spacing: Sequence[float], settings: ScoreSettings) -> np.ndarray:
    """Voxels whose score is at least a threshold, small components removed.

    Args:
        score: Anomaly map (z, y, x) or (y, x).
        threshold: Least score of a marked voxel.
        spacing: Voxel size per axis, mm.
        settings: Settings of the score, of which the least size of a component counts.

    Returns:
        Mask of the shape of the map.
    """
    return without_small_components(score >= threshold, spacing, settings.min_component_mm3)
