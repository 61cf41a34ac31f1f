"""Metrics of segmented cases, a row each: what studies and robustness runs measure and what their reports show.

A further metric of a case is a further row of :data:`CASE_METRICS`: the files of scores, the tables of the report and
their CSV iterate over the rows. Scores that were written before a metric was added lack it; reports show a dash there.

Example:
    >>> half = np.array([[[1, 0]]])
    >>> case = SegmentedCase(half, np.array([[[1, 1]]]), np.array([[[0.9, 0.4]]]), np.ones((1, 1, 2), bool), (1, 1, 1))
    >>> {metric.label: round(metric.of(case), 3) for metric in CASE_METRICS}
    {'Dice': 0.667, 'AP': 1.0}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from nnunet_uad.common.bounds import Bounds
from nnunet_uad.metrics.curves import Curve, average_precision
from nnunet_uad.metrics.histogram import ScoreHistogram
from nnunet_uad.metrics.lesions import LesionCounts, count_lesions
from nnunet_uad.metrics.metric import ReportedMetric, values_of
from nnunet_uad.metrics.reliability import calibration_error, reliability_counts

#: Counts that add up over cases: kind (``lesions``, ``reliability``) → name → sum, a number or an array.
Counts = dict[str, dict[str, np.ndarray]]


@dataclass(frozen=True)
class SegmentedCase:
    """A segmentation beside the labels, all on one grid.

    Attributes:
        segmentation: Predicted labels (z, y, x).
        truth: Labels (z, y, x).
        probability: Predicted probability of any foreground (z, y, x), from 0 to 1.
        known: Mask (z, y, x) of the voxels that count, boolean; false where the label is to be ignored.
        spacing: Voxel size, mm per axis (z, y, x).
        dice_per_class: nnU-Net's Dice of every class or region, ``None`` where neither has it; ``None`` altogether
            where the classes are not the model's, so that any foreground is compared with any foreground.
    """

    segmentation: np.ndarray
    truth: np.ndarray
    probability: np.ndarray
    known: np.ndarray
    spacing: tuple[float, ...]
    dice_per_class: Mapping[str, float | None] | None = None

    @cached_property
    def predicted(self) -> np.ndarray:
        """Mask (z, y, x) of the predicted foreground, without voxels to be ignored."""
        return (self.segmentation > 0) & self.known

    @cached_property
    def positive(self) -> np.ndarray:
        """Mask (z, y, x) of the true foreground, without voxels to be ignored."""
        return (self.truth > 0) & self.known


def _dice(case: SegmentedCase) -> float | None:
    """Mean over the classes that there are; Dice of the foreground where classes cannot be compared."""
    if case.dice_per_class is not None:
        known = [v for v in case.dice_per_class.values() if v is not None]
        return float(np.mean(known)) if known else None
    both = case.predicted.sum() + case.positive.sum()
    return float(2 * (case.predicted & case.positive).sum() / both) if both else None


def _average_precision(case: SegmentedCase) -> float | None:
    """Average precision of any foreground, by its probability."""
    if not case.positive.any():
        return None
    histogram = ScoreHistogram()
    histogram.add(case.probability[case.known], case.positive[case.known])
    return average_precision(Curve.of(histogram))


def _lesions(counts: Counts) -> LesionCounts:
    return LesionCounts(**{name: int(value) for name, value in counts.get("lesions", {}).items()})


#: What the study is decided by: intervals, tests and label-saving factors are those of this metric.
PRIMARY: ReportedMetric[SegmentedCase] = ReportedMetric("Dice", _dice, "Dice", "dice", bounds=Bounds(0, 1))
#: How well voxels are ranked, whatever the threshold.
RANKING: ReportedMetric[SegmentedCase] = ReportedMetric(
    "AP", _average_precision, "AP", "average_precision", bounds=Bounds(0, 1)
)
#: Metrics of a single case; reports show their means.
CASE_METRICS: tuple[ReportedMetric[SegmentedCase], ...] = (PRIMARY, RANKING)
LESION_RECALL: ReportedMetric[Counts] = ReportedMetric(
    "lesion_recall", lambda counts: _lesions(counts).recall, "lesion recall", "lesion_recall", digits=2
)
FALSE_POSITIVES: ReportedMetric[Counts] = ReportedMetric(
    "false_positives_per_scan",
    lambda counts: _lesions(counts).false_positives_per_scan,
    "false positives per scan",
    "false_positives_per_scan",
    digits=1,
    better="lower",
)
#: Metrics of counts that are summed over cases and trainings first.
POOLED_METRICS: tuple[ReportedMetric[Counts], ...] = (
    LESION_RECALL,
    FALSE_POSITIVES,
    ReportedMetric(
        "calibration_error",
        lambda counts: calibration_error(counts.get("reliability")),
        "calibration error",
        "calibration_error",
        better="lower",
    ),
)
#: What is counted in every case for the pooled metrics, by kind.
COUNTED: Mapping[str, Callable[[SegmentedCase], Mapping[str, Any]]] = {
    "lesions": lambda case: vars(count_lesions(case.predicted, case.positive)),
    "reliability": lambda case: reliability_counts(case.probability[case.known], case.positive[case.known]),
}


def metrics() -> tuple[ReportedMetric[Any], ...]:
    """All rows in the order of the tables, the primary one first."""
    return (*CASE_METRICS, *POOLED_METRICS)


def measure(case: SegmentedCase) -> dict[str, float | None]:
    """Key → value of every metric of a case; ``None`` where it is undefined, for JSON knows no NaN."""
    return {key: None if np.isnan(value) else value for key, value in values_of(CASE_METRICS, case).items()}


def count(case: SegmentedCase) -> dict[str, dict[str, Any]]:
    """What the pooled metrics of a case are summed from: kind → name → number, or a list of them."""
    return {kind: dict(of(case)) for kind, of in COUNTED.items()}


def add_counts(total: Counts, row: Mapping[str, Any]) -> None:
    """Add the counts of a case, as they are in a file of scores, to ``total`` in place."""
    for kind in (k for k in COUNTED if row.get(k)):
        sums = total.setdefault(kind, {})
        for name, value in row[kind].items():
            sums[name] = sums.get(name, np.float64(0)) + np.asarray(value, float)
