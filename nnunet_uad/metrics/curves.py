"""Ranking metrics from counts: average precision, AUROC, best Dice, thresholds.

Definitions as in scikit-learn: voxels of equal score (here: of one bin) form one step of the curve.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.integrate import trapezoid

from nnunet_uad.metrics.histogram import ScoreHistogram, lower_edges


@dataclass(frozen=True)
class Curve:
    """What every threshold selects, thresholds descending.

    Attributes:
        bins: Bins (K,) of the histogram, descending; a voxel is selected where its score is in the bin or above.
        true_positives: Number of selected lesion voxels (K,).
        false_positives: Number of selected other voxels (K,).
    """

    bins: np.ndarray
    true_positives: np.ndarray
    false_positives: np.ndarray

    @classmethod
    def of(cls, histogram: ScoreHistogram) -> Curve:
        """The curve over the occupied bins of a histogram."""
        occupied = np.flatnonzero(histogram.voxels)[::-1]
        positives = histogram.positives[occupied]
        negatives = histogram.voxels[occupied] - positives
        return cls(occupied + histogram.first_bin, np.cumsum(positives), np.cumsum(negatives))

    def threshold(self, index: int) -> float:
        """The score from which on the bins up to ``index`` are selected."""
        return float(lower_edges(self.bins[index : index + 1])[0])

    @property
    def positives(self) -> int:
        """All lesion voxels."""
        return int(self.true_positives[-1]) if len(self.true_positives) else 0

    @property
    def negatives(self) -> int:
        """All other voxels."""
        return int(self.false_positives[-1]) if len(self.false_positives) else 0


def average_precision(curve: Curve) -> float:
    """Area under precision-recall as a step function (scikit-learn's definition); NaN without lesion voxels."""
    if not curve.positives:
        return float("nan")
    selected = curve.true_positives + curve.false_positives
    gained = np.diff(curve.true_positives, prepend=0)
    return float(np.sum(gained * (curve.true_positives / selected)) / curve.positives)


def auroc(curve: Curve) -> float:
    """Area under the ROC curve by the trapezoid rule; NaN if either kind of voxel is missing."""
    if not curve.positives or not curve.negatives:
        return float("nan")
    rate = np.concatenate([[0.0], curve.true_positives / curve.positives])
    false_rate = np.concatenate([[0.0], curve.false_positives / curve.negatives])
    return float(trapezoid(rate, false_rate))


def best_dice(curve: Curve) -> tuple[float, float]:
    """⌈Dice⌉: the highest Dice that any threshold reaches, and the highest such threshold.

    An oracle where the labels are those of the cases that are tested.
    """
    if not curve.positives:
        return float("nan"), float("nan")
    selected = curve.true_positives + curve.false_positives
    dice = 2 * curve.true_positives / (selected + curve.positives)
    best = int(np.argmax(dice))
    return float(dice[best]), curve.threshold(best)


def threshold_at_fpr(curve: Curve, rate: float, negatives: float | None = None) -> float:
    """The lowest threshold that selects at most ``rate`` of the voxels without lesion.

    Args:
        curve: Curve of scores.
        rate: False-positive rate, between 0 and 1.
        negatives: Number of voxels that the rate is a share of, if not of all without lesion.

    Raises:
        ValueError: A rate outside (0, 1), or no voxel without lesion to measure it on.
    """
    if not 0 < rate < 1:
        raise ValueError(f"A false-positive rate is a number between 0 and 1, found {rate}.")
    negatives = curve.negatives if negatives is None else negatives
    if not negatives:
        raise ValueError("There is no voxel without lesion to measure a false-positive rate on.")
    allowed = int(np.searchsorted(curve.false_positives, rate * negatives, side="right"))
    # Where even the highest score is too frequent, nothing may be selected.
    return curve.threshold(allowed - 1) if allowed else float("inf")
