"""Scores of two scales: a map that looks for lesions of few voxels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nnunet_uad.metrics.baseline import robust_z
from nnunet_uad.metrics.smoothing import smoothed
from nnunet_uad.scoring.score_settings import DEFAULT, SMALL_LESIONS, STANDARDISED, ScoreSettings

#: Standard deviations of the Gaussians over a score and over what surrounds a voxel, mm (pixels for images without a
#: spacing).
FINE_MM, WIDE_MM = 0.5, 5.0
#: Share of the image itself in the residual, at least: networks reconstruct lesions of few voxels as they are.
LEAST_INTENSITY = 0.75


def small_lesions(score: np.ndarray, foreground: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """A hardly smoothed score plus its contrast to the surroundings, each as robust z of the foreground.

    fine = Gaussian of 0.5 mm over the score, wide = Gaussian of 5 mm; s = z(fine) + z(fine − wide). The spread that z
    divides by is that of the case, so one threshold selects about the same share of every case. Form and sizes were
    chosen on lesions that were planted into healthy slices.

    Args:
        score: Score (z, y, x) that was not filtered, higher is more anomalous.
        foreground: Mask (z, y, x) of the voxels inside the image.
        spacing: Voxel size per axis, mm.

    Returns:
        Score (z, y, x) in interquartile ranges from the median, float32, with values below 0; 0 outside.
    """
    fine, wide = (smoothed(score, foreground, spacing, mm) for mm in (FINE_MM, WIDE_MM))
    return robust_z(fine, foreground, spacing) + robust_z(fine - wide, foreground, spacing)


def with_intensity(settings: ScoreSettings) -> ScoreSettings:
    """Settings of the residual that the score for small lesions is made of: three quarters of the image or more.

    Args:
        settings: Settings of the score.
    """
    return replace(settings, intensity_weight=max(settings.intensity_weight, LEAST_INTENSITY))


def kinds_beside(settings: ScoreSettings) -> dict[str, ScoreSettings]:
    """The other kind of score of the same reconstruction, whose thresholds a validation stores, too: by its name.

    Args:
        settings: Settings of the main score.

    Returns:
        The default beside the score for small lesions, that one beside the default; none beside a score of several
        draws, which has reconstructions of its own.
    """
    if settings.score == STANDARDISED:
        return {}
    other = DEFAULT if settings.score == SMALL_LESIONS else SMALL_LESIONS
    return {other: replace(settings, score=other)}
