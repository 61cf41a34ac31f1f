"""Do probabilities say what they mean? Counts that add up over cases, the reliability curve, the calibration error."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

#: Edges of the bins of the reliability curve. Nearly all voxels lie below the first inner edge: they have a bin of
#: their own, so that the calibration error can leave them out.
RELIABILITY_EDGES = (0.0, 0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


def reliability_counts(probabilities: np.ndarray, positive: np.ndarray) -> dict[str, list[float]]:
    """What a reliability curve is drawn from; counts of several cases add up.

    Args:
        probabilities: Probability of foreground (N,), from 0 to 1.
        positive: Mask (N,) of the voxels that are foreground, boolean.

    Returns:
        Per bin of :data:`RELIABILITY_EDGES`: ``voxels``, ``probability`` (their sum), ``positives``.
    """
    bins = np.digitize(probabilities, RELIABILITY_EDGES[1:-1])
    size = len(RELIABILITY_EDGES) - 1
    return {
        "voxels": np.bincount(bins, minlength=size).tolist(),
        "probability": np.bincount(bins, weights=probabilities, minlength=size).tolist(),
        "positives": np.bincount(bins, weights=positive, minlength=size).astype(int).tolist(),
    }


def reliability_curve(counts: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean probability, share of foreground and number of voxels of every bin that holds a voxel.

    Args:
        counts: Sums of :func:`reliability_counts`, an array (bins,) each.
    """
    voxels, probability, positives = (np.asarray(counts[k], float) for k in ("voxels", "probability", "positives"))
    held = voxels > 0
    return probability[held] / voxels[held], positives[held] / voxels[held], voxels[held]


def calibration_error(counts: Mapping[str, np.ndarray] | None) -> float:
    """Expected calibration error of the voxels with a probability of at least 0.01.

    The many voxels below would hide it: they are background and nearly always rightly so.

    Guo et al., ICML 2017, equation 3, https://arxiv.org/abs/1706.04599

    Args:
        counts: Sums of :func:`reliability_counts`, an array (bins,) each.

    Returns:
        Error from 0 to 1; NaN without such voxels, or without counts.
    """
    if counts is None:
        return float("nan")
    predicted, observed, voxels = reliability_curve({name: np.asarray(values)[1:] for name, values in counts.items()})
    return float((voxels * np.abs(predicted - observed)).sum() / voxels.sum()) if len(voxels) else float("nan")
