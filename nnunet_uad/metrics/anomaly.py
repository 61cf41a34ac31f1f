"""Anomaly maps against labels, case by case in constant memory."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from nnunet_uad.metrics.bootstrap import intervals, mean_interval
from nnunet_uad.metrics.curves import Curve, auroc, average_precision, best_dice, threshold_at_fpr
from nnunet_uad.metrics.histogram import ScoreHistogram
from nnunet_uad.metrics.lesion_recall import RATES, SIZES, LesionReach, Lesions, SizeClass, recall_key, threshold_key
from nnunet_uad.metrics.lesions import LESION_METRICS, LesionCounts, count_lesions
from nnunet_uad.metrics.metric import Metric, values_of
from nnunet_uad.metrics.regions import RegionOverlap

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class Ranking:
    """What every threshold selects, of one case or of all.

    Attributes:
        curve: Curve over all thresholds.
        regions: Overlap with the regions of all cases; empty for a single case.
        lesions: Thresholds at which the lesions are found.
        healthy: Number of foreground voxels without lesion, of which false-positive rates are shares.
    """

    curve: Curve
    regions: RegionOverlap = field(default_factory=RegionOverlap)
    lesions: LesionReach = field(default_factory=LesionReach)
    healthy: float = 0

    @cached_property
    def best(self) -> tuple[float, float]:
        """Highest Dice of any threshold, and that threshold."""
        return best_dice(self.curve)

    @cached_property
    def thresholds(self) -> dict[float, float]:
        """Threshold by false-positive rate; NaN without a healthy voxel, infinite where none may be selected."""
        if not self.healthy:
            return dict.fromkeys(RATES, float("nan"))
        return {rate: threshold_at_fpr(self.curve, rate, self.healthy) for rate in RATES}


@dataclass(frozen=True)
class RankingMetric(Metric[Ranking]):
    """A metric that needs no threshold.

    Attributes:
        per_case: Whether it is measured case by case.
        pooled: Whether it is measured on the voxels of all cases together.
        interval: Whether the pooled value gets a bootstrap interval.
        shown: Whether commands print it.
    """

    per_case: bool = True
    pooled: bool = True
    interval: bool = False
    shown: bool = False


def _number_of(size: SizeClass) -> RankingMetric:
    return RankingMetric(f"lesions{size.suffix}", lambda r: r.lesions.count(size))


def _threshold_at(rate: float) -> RankingMetric:
    return RankingMetric(threshold_key(rate), lambda r: r.thresholds[rate], per_case=False)


def _recall_at(rate: float, size: SizeClass) -> RankingMetric:
    # Of single cases too, but at the threshold of all: see RankingScores.values_per_case.
    key = recall_key(size, rate)
    return RankingMetric(key, lambda r: r.lesions.recall(r.thresholds[rate], size), per_case=False, interval=True)


#: Metrics of the maps themselves. A further one is a further row: files, CSV and intervals iterate over them.
RANKING_METRICS: tuple[RankingMetric, ...] = (
    RankingMetric("AP", lambda r: average_precision(r.curve), interval=True, shown=True),
    RankingMetric("AUROC", lambda r: auroc(r.curve), interval=True, shown=True),
    RankingMetric("AUPRO", lambda r: r.regions.aupro(r.curve), per_case=False, shown=True),
    RankingMetric("best_dice_oracle", lambda r: r.best[0], interval=True, shown=True),
    RankingMetric("best_dice_oracle_threshold", lambda r: r.best[1]),
    RankingMetric("lesion_voxels", lambda r: r.curve.positives, pooled=False),
    RankingMetric("prevalence", lambda r: r.curve.positives / max(1, r.curve.positives + r.curve.negatives)),
    *(_number_of(size) for size in SIZES),
    *(_threshold_at(rate) for rate in RATES),
    *(_recall_at(rate, size) for rate in RATES for size in SIZES),
)


class RankingScores:
    """:data:`RANKING_METRICS` of anomaly maps, pooled and per case."""

    def __init__(self) -> None:
        self.pooled = ScoreHistogram()
        self.regions = RegionOverlap()
        self.cases: dict[str, dict[str, float]] = {}
        self._compact: list[np.ndarray] = []
        self._lesions: list[LesionReach] = []
        self._healthy: list[int] = []

    def add(
        self,
        identifier: str,
        scores: np.ndarray,
        positive: np.ndarray,
        valid: np.ndarray | None = None,
        lesions: Lesions | None = None,
        healthy: int | None = None,
    ) -> None:
        """Count a case.

        Args:
            identifier: Identifier of the case.
            scores: Anomaly map (z, y, x) or (y, x), higher is more anomalous.
            positive: Mask of the lesions, boolean, of the same shape.
            valid: Mask of the voxels that count, boolean; all if omitted.
            lesions: Lesions of the case, where they are known; their volumes are counted in voxels otherwise.
            healthy: Number of foreground voxels without lesion, of which false-positive rates are shares; all that
                count if omitted.

        Raises:
            ValueError: Different shapes, or NaN among the scores.
        """
        histogram = ScoreHistogram()
        if valid is None:
            histogram.add(scores, positive)
        else:
            histogram.add(scores[valid], positive[valid])
        lesions = lesions or Lesions.of(positive if valid is None else positive & valid)
        values = scores.reshape(-1)[lesions.voxels].astype(np.float32)
        curve, reach = Curve.of(histogram), LesionReach.of(lesions.reached(values), lesions.volumes)
        ranking = Ranking(curve, lesions=reach)
        self.cases[identifier] = values_of((m for m in RANKING_METRICS if m.per_case), ranking)
        self.regions.add_lesions(values, lesions.sizes)
        self.pooled.merge(histogram)
        self._compact.append(histogram.compact())
        self._lesions.append(reach)
        self._healthy.append(curve.negatives if healthy is None else healthy)

    def pooled_scores(self) -> dict[str, float]:
        """All voxels of all cases in one curve: key → value."""
        lesions = LesionReach.joined(self._lesions)
        ranking = Ranking(Curve.of(self.pooled), self.regions, lesions, sum(self._healthy))
        return values_of((m for m in RANKING_METRICS if m.pooled), ranking)

    def values_per_case(self, pooled: Mapping[str, float]) -> dict[str, dict[str, float]]:
        """Values of each case, with the share of its lesions found at the thresholds of all cases together.

        Args:
            pooled: Pooled values, of :meth:`pooled_scores`.

        Returns:
            Case → key → value; a recall is NaN in cases without such a lesion.
        """
        return {
            case: values
            | {
                recall_key(size, rate): reach.recall(pooled[threshold_key(rate)], size)
                for rate in RATES
                for size in SIZES
            }
            for (case, values), reach in zip(self.cases.items(), self._lesions, strict=True)
        }

    def pooled_intervals(self) -> dict[str, tuple[float, float] | None]:
        """Bootstrap intervals over cases of the pooled values, from compact histograms."""
        metrics = [m for m in RANKING_METRICS if m.interval]
        cases = len(self._compact)
        rows = np.concatenate(self._compact)
        owner = np.repeat(np.arange(cases), [len(c) for c in self._compact])
        bins, index = np.unique(-rows[:, 0], return_inverse=True)
        lesions, healthy = LesionReach.joined(self._lesions), np.array(self._healthy)
        lesion_owner = np.repeat(np.arange(cases), [len(part.scores) for part in self._lesions])

        def resampled(weights: np.ndarray) -> Curve:
            """The curve of a resample, of how often each case counts (cases,)."""
            drawn = weights[owner]
            positives = np.bincount(index, weights=drawn * rows[:, 1], minlength=len(bins))
            voxels = np.bincount(index, weights=drawn * rows[:, 2], minlength=len(bins))
            kept = voxels > 0
            lesion = np.cumsum(positives[kept])
            return Curve(-bins[kept], lesion, np.cumsum(voxels[kept]) - lesion)

        def values(weights: np.ndarray) -> np.ndarray:
            """Metrics (K,) of a resample (cases,)."""
            drawn = lesions.weighted(weights[lesion_owner])
            ranking = Ranking(resampled(weights), lesions=drawn, healthy=float(weights @ healthy))
            return np.array(list(values_of(metrics, ranking).values()))

        ends = intervals(cases, values) or [None] * len(metrics)
        return dict(zip((m.key for m in metrics), ends, strict=True))


@dataclass(frozen=True)
class MaskCounts:
    """What a mask selects, in voxels and lesions, of one case or several; add them up with ``+``.

    Attributes:
        hits: Number of selected lesion voxels.
        selected: Number of selected voxels.
        positives: Number of lesion voxels.
        negatives: Number of other voxels.
        lesions: Counts of lesions and findings.
    """

    hits: int = 0
    selected: int = 0
    positives: int = 0
    negatives: int = 0
    lesions: LesionCounts = field(default_factory=LesionCounts)

    def __add__(self, other: MaskCounts) -> MaskCounts:
        return MaskCounts(
            self.hits + other.hits,
            self.selected + other.selected,
            self.positives + other.positives,
            self.negatives + other.negatives,
            self.lesions + other.lesions,
        )


def _dice(counts: MaskCounts) -> float | None:
    return 2 * counts.hits / (counts.selected + counts.positives) if counts.positives else None


def _false_positive_rate(counts: MaskCounts) -> float | None:
    return (counts.selected - counts.hits) / counts.negatives if counts.negatives else None


def _of_lesions(metric: Metric[LesionCounts]) -> Metric[MaskCounts]:
    return Metric(metric.key, lambda counts: metric.of(counts.lesions))


#: Metrics of masks. A further one is a further row.
MASK_METRICS: tuple[Metric[MaskCounts], ...] = (
    Metric("Dice", _dice),
    Metric("FPR", _false_positive_rate),
    *(_of_lesions(metric) for metric in LESION_METRICS),
)


@dataclass
class MaskScores:
    """:data:`MASK_METRICS` of the masks that a threshold makes, pooled and per case.

    Attributes:
        cases: Case → key → value.
    """

    cases: dict[str, dict[str, float]] = field(default_factory=dict)
    _counts: list[MaskCounts] = field(default_factory=list)

    def add(self, identifier: str, selected: np.ndarray, positive: np.ndarray, valid: np.ndarray | None = None) -> None:
        """Count a case.

        Args:
            identifier: Identifier of the case.
            selected: Mask to be scored (z, y, x) or (y, x), boolean.
            positive: Mask of the lesions, boolean, of the same shape.
            valid: Mask of the voxels that count, boolean; all if omitted.
        """
        negative = ~positive
        if valid is not None:
            selected, positive, negative = selected & valid, positive & valid, negative & valid
        counts = MaskCounts(
            hits=int((selected & positive).sum()),
            selected=int(selected.sum()),
            positives=int(positive.sum()),
            negatives=int(negative.sum()),
            lesions=count_lesions(selected, positive),
        )
        self._counts.append(counts)
        self.cases[identifier] = _mask_scores([counts])

    def pooled_scores(self) -> dict[str, float]:
        """All cases taken together: key → value."""
        return _mask_scores(self._counts)

    def pooled_intervals(self) -> dict[str, tuple[float, float] | None]:
        """Bootstrap intervals over cases of the pooled values."""
        names = [metric.key for metric in MASK_METRICS]

        def values(weights: np.ndarray) -> np.ndarray:
            """Metrics (K,) of a resample (cases,)."""
            drawn = [c for c, w in zip(self._counts, weights, strict=True) for _ in range(w)]
            return np.array(list(_mask_scores(drawn).values()))

        return dict(zip(names, intervals(len(self._counts), values) or [None] * len(names), strict=True))


def _mask_scores(counts: list[MaskCounts]) -> dict[str, float]:
    return values_of(MASK_METRICS, sum(counts, MaskCounts()))


def mean_over_cases(cases: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, Any]]:
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


def paired_difference(own: Mapping[K, float], other: Mapping[K, float]) -> dict[str, Any] | None:
    """Mean of the differences own − other over the cases in which both are defined, with a bootstrap interval.

    Args:
        own: Values of a score, by case.
        other: Values of the score that it is compared with.

    Returns:
        ``value``, ``interval_95`` (``None`` for a single case), number of ``cases``, and ``share_better``, the share of
        cases in which the own value is higher; ``None`` if there is no such case.

    Example:
        >>> paired_difference({"a": 0.5, "b": 0.75}, {"a": 0.25, "b": 0.75})["value"]
        0.125
    """
    both = [own[case] - other[case] for case in own if case in other]
    known = [difference for difference in both if not math.isnan(difference)]
    if not known:
        return None
    return {
        "value": float(np.mean(known)),
        "interval_95": mean_interval(known),
        "cases": len(known),
        "share_better": float(np.mean([difference > 0 for difference in known])),
    }
