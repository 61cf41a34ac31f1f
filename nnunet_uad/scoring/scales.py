"""Scores at several scales: a map that looks for lesions of few voxels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nnunet_uad.metrics.baseline import robust_z
from nnunet_uad.metrics.smoothing import smoothed
from nnunet_uad.scoring.score_settings import DEFAULT, SMALL_LESIONS, STANDARDISED, ScoreSettings

#: Standard deviations of the Gaussians beside the score as it is, mm (pixels for images without a spacing).
SMALL_SCALES_MM = (0.5, 1.0)


def small_lesions(score: np.ndarray, foreground: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """The highest of a score smoothed at several small scales, each as robust z of the foreground.

    Smoothing takes noise away, and with it the spread: divided by it, a lesion stands out most at the scale of its
    own size, and scales can be compared. The spread is that of the case, so one threshold selects about the same share
    of every case.

    Args:
        score: Score (z, y, x) that was not filtered, higher is more anomalous.
        foreground: Mask (z, y, x) of the voxels inside the image.
        spacing: Voxel size per axis, mm.

    Returns:
        Score (z, y, x) in interquartile ranges from the median, float32, with values below 0; 0 outside.
    """
    best = robust_z(score, foreground, spacing)
    for scale in SMALL_SCALES_MM:
        np.maximum(best, robust_z(smoothed(score, foreground, spacing, scale), foreground, spacing), out=best)
    return best


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
