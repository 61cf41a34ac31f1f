"""Anomaly maps against labels, case by case in constant memory."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nnunet_uad.metrics.bootstrap import intervals, mean_interval
from nnunet_uad.metrics.curves import Curve, auroc, average_precision, best_dice
from nnunet_uad.metrics.histogram import ScoreHistogram
from nnunet_uad.metrics.lesions import LesionCounts, count_lesions
from nnunet_uad.metrics.regions import RegionOverlap


class RankingScores:
    """Metrics that need no threshold: average precision, AUROC, AUPRO and ⌈Dice⌉, pooled and per case."""

    def __init__(self) -> None:
        self.pooled = ScoreHistogram()
        self.regions = RegionOverlap()
        self.cases: dict[str, dict[str, float]] = {}
        self._compact: list[np.ndarray] = []

    def add(self, identifier: str, scores: np.ndarray, positive: np.ndarray, valid: np.ndarray | None = None) -> None:
        """Count a case.

        Args:
            identifier: of the case.
            scores: (z, y, x) or (y, x), higher is more anomalous.
            positive: boolean, of the same shape.
            valid: boolean, voxels that count; all if omitted.

        Raises:
            ValueError: different shapes or NaN.
        """
        histogram = ScoreHistogram()
        if valid is None:
            histogram.add(scores, positive)
        else:
            histogram.add(scores[valid], positive[valid])
        curve = Curve.of(histogram)
        dice, threshold = best_dice(curve)
        self.cases[identifier] = {
            "AP": average_precision(curve),
            "AUROC": auroc(curve),
            "best_dice_oracle": dice,
            "best_dice_oracle_threshold": threshold,
            "lesion_voxels": curve.positives,
            "prevalence": curve.positives / max(1, curve.positives + curve.negatives),
        }
        self.regions.add(scores, positive if valid is None else positive & valid)
        self.pooled.merge(histogram)
        self._compact.append(histogram.compact())

    def pooled_scores(self) -> dict[str, float]:
        """All voxels of all cases in one curve."""
        curve = Curve.of(self.pooled)
        dice, threshold = best_dice(curve)
        return {
            "AP": average_precision(curve),
            "AUROC": auroc(curve),
            "AUPRO": self.regions.aupro(curve),
            "best_dice_oracle": dice,
            "best_dice_oracle_threshold": threshold,
            "prevalence": curve.positives / max(1, curve.positives + curve.negatives),
        }

    def pooled_intervals(self) -> dict[str, tuple[float, float] | None]:
        """Bootstrap intervals over cases of the pooled values, from compact histograms."""
        cases = len(self._compact)
        rows = np.concatenate(self._compact)
        owner = np.repeat(np.arange(cases), [len(c) for c in self._compact])
        bins, index = np.unique(-rows[:, 0], return_inverse=True)

        def resampled(weights: np.ndarray) -> Curve:
            drawn = weights[owner]
            positives = np.bincount(index, weights=drawn * rows[:, 1], minlength=len(bins))
            voxels = np.bincount(index, weights=drawn * rows[:, 2], minlength=len(bins))
            kept = voxels > 0
            lesion = np.cumsum(positives[kept])
            return Curve(-bins[kept], lesion, np.cumsum(voxels[kept]) - lesion)

        def values(weights: np.ndarray) -> np.ndarray:
            curve = resampled(weights)
            return np.array([average_precision(curve), auroc(curve), best_dice(curve)[0]])

        found = intervals(cases, values) or [None] * 3
        return dict(zip(("AP", "AUROC", "best_dice_oracle"), found, strict=True))


@dataclass
class MaskScores:
    """Metrics of the masks that thresholds make: Dice, false-positive rate, lesion-wise scores."""

    cases: dict[str, dict[str, float]] = field(default_factory=dict)
    _counts: list[tuple[int, int, int, int, LesionCounts]] = field(default_factory=list)

    def add(self, identifier: str, selected: np.ndarray, positive: np.ndarray, valid: np.ndarray | None = None) -> None:
        """Count a case.

        Args:
            identifier: of the case.
            selected: boolean (z, y, x) or (y, x), the mask.
            positive: boolean, of the same shape.
            valid: boolean, voxels that count; all if omitted.
        """
        negative = ~positive
        if valid is not None:
            selected, positive, negative = selected & valid, positive & valid, negative & valid
        hits, chosen = int((selected & positive).sum()), int(selected.sum())
        lesion, healthy = int(positive.sum()), int(negative.sum())
        counts = (hits, chosen, lesion, healthy, count_lesions(selected, positive))
        self._counts.append(counts)
        self.cases[identifier] = _mask_scores([counts])

    def pooled_scores(self) -> dict[str, float]:
        """All cases taken together."""
        return _mask_scores(self._counts)

    def pooled_intervals(self) -> dict[str, tuple[float, float] | None]:
        """Bootstrap intervals over cases of the pooled values."""
        names = list(self.pooled_scores())

        def values(weights: np.ndarray) -> np.ndarray:
            drawn = [c for c, w in zip(self._counts, weights, strict=True) for _ in range(w)]
            return np.array(list(_mask_scores(drawn).values()))

        return dict(zip(names, intervals(len(self._counts), values) or [None] * len(names), strict=True))


def _mask_scores(counts: list[tuple[int, int, int, int, LesionCounts]]) -> dict[str, float]:
    hits, chosen, lesion, healthy = (sum(c[k] for c in counts) for k in range(4))  # type: ignore[misc]
    lesions = sum((c[4] for c in counts), LesionCounts())
    return {
        "Dice": 2 * hits / (chosen + lesion) if lesion else float("nan"),
        "FPR": (chosen - hits) / healthy if healthy else float("nan"),
        **lesions.scores(),
    }


def mean_over_cases(cases: dict[str, dict[str, float]]) -> dict[str, dict[str, Any]]:
    """Mean of each value over the cases that have it, with a bootstrap interval and the number of cases."""
    result: dict[str, dict[str, Any]] = {}
    for name in next(iter(cases.values()), {}):
        values = [case[name] for case in cases.values() if not math.isnan(case[name])]
        if values:
            result[name] = {
                "value": float(np.mean(values)),
                "interval_95": mean_interval(values),
                "cases": len(values),
            }
    return result
