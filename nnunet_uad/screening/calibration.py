"""How often healthy voxels are called unknown: thresholds that promise a rate, and scores in the units of that rate.

Measured on healthy voxels (foreground, outside the annotated lesions) of validation cases that neither model was
trained on. A scan's rate at a threshold is the share of its healthy voxels that are at least as anomalous and that the
segmentation, with a margin, does not explain. What is promised is the mean of this rate over scans: every scan counts
the same, whatever its size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from nnunet_uad.common.bounds import Bounds
from nnunet_uad.metrics.histogram import bins_of, lower_edges
from nnunet_uad.screening.explained import explained
from nnunet_uad.screening.names import RATE

#: Bins of a histogram of scores that count as one here: 1024 are left between a number and its double.
_COARSENING = 64
#: Points of a curve per decade of its rate that are kept: neighbours differ by 1.2 %.
_POINTS_PER_DECADE = 200

_Share = Annotated[float, Bounds(0, 1)]


@dataclass(frozen=True)
class HealthyVoxels:
    """What became of the healthy voxels of one scan.

    Attributes:
        bins: Bins (K,) of scores of healthy voxels that the segmentation does not explain, descending.
        counts: Number of such voxels (K,) in each bin.
        healthy: Number of healthy voxels, explained or not, above 0.
        marked: Number of healthy voxels that the segmentation marks.
    """

    bins: np.ndarray
    counts: np.ndarray
    healthy: int
    marked: int

    @classmethod
    def of(
        cls, scores: np.ndarray, known: np.ndarray, healthy: np.ndarray, spacing: Sequence[float], margin_mm: float
    ) -> HealthyVoxels:
        """Count the healthy voxels of a validation case.

        Args:
            scores: Anomaly map (z, y, x) or (y, x).
            known: Mask of the supervised segmentation, boolean, of the same shape.
            healthy: Mask of the foreground without lesions and voxels that nobody annotated, of the same shape.
            spacing: Voxel size per axis, mm.
            margin_mm: Margin around the segmentation that it explains, mm.

        Raises:
            ValueError: Different shapes, NaN among the scores, or no healthy voxel.
        """
        if not scores.shape == known.shape == healthy.shape:
            raise ValueError(
                f"Map, segmentation and healthy mask have the shapes {scores.shape}, {known.shape} and "
                f"{healthy.shape}; expected the same."
            )
        count = int(np.count_nonzero(healthy))
        if not count:
            raise ValueError("no voxel is healthy: the labels cover the whole foreground of the map")
        left = healthy & ~explained(known, spacing, margin_mm)
        groups, counts = np.unique(bins_of(scores[left].astype(np.float32)) // _COARSENING, return_counts=True)
        marked = int(np.count_nonzero(healthy & known))
        return cls(groups[::-1].astype(np.int64), counts[::-1].astype(np.int64), count, marked)

    def rate(self, threshold: float) -> float:
        """Share of the healthy voxels that are called unknown.

        Args:
            threshold: Least score of an anomalous voxel, a threshold of a :class:`Calibration`.
        """
        return float(self.counts[_edges(self.bins) >= threshold].sum() / self.healthy)


@dataclass(frozen=True)
class Calibration:
    """Scores in the units of the false positives that they cost.

    Attributes:
        cases: Identifiers of the cases that it was measured on.
        margin_mm: Margin around the segmentation that it explains, mm.
        scores: Scores (K,) of the curve, ascending.
        rates: Rates (K,), descending: mean over scans of the share of healthy voxels that score at least so much and
            are not explained.
        beyond: Least score above every healthy voxel.
        marked: Share of the healthy voxels that the segmentation marks, mean over scans; at least half a voxel.
    """

    cases: list[str]
    margin_mm: Annotated[float, Bounds(0, 1000)]
    scores: list[float]
    rates: list[_Share]
    beyond: float
    marked: Annotated[float, Bounds(0, 1, without_low=True)]

    def __post_init__(self) -> None:
        ordered = np.all(np.diff(self.scores) > 0) and np.all(np.diff(self.rates) < 0)
        if not self.scores or len(self.scores) != len(self.rates) or not ordered:
            raise ValueError("scores expect numbers that ascend, and rates as many that descend.")

    @classmethod
    def of(cls, voxels: Mapping[str, HealthyVoxels], margin_mm: float) -> Calibration:
        """The calibration of some cases.

        Args:
            voxels: Healthy voxels by case.
            margin_mm: Margin that they were counted with, mm.

        Raises:
            ValueError: There is no case, or the segmentations explain all healthy voxels.
        """
        scans = list(voxels.values())
        if not sum(len(scan.bins) for scan in scans):
            raise ValueError(
                "There is no healthy voxel left to calibrate on: the segmentations explain all of them. A smaller "
                "margin explains less: --margin-mm"
            )
        weights = [scan.counts / (scan.healthy * len(scans)) for scan in scans]
        bins, owner = np.unique(-np.concatenate([scan.bins for scan in scans]), return_inverse=True)
        rates = np.minimum(np.cumsum(np.bincount(owner, weights=np.concatenate(weights))), 1.0)
        # The first of each step, and the last of all: what is kept is exact, what lies between is interpolated.
        steps = np.floor(np.log10(rates) * _POINTS_PER_DECADE)
        kept = np.flatnonzero((np.diff(steps, prepend=-np.inf) > 0) | (np.arange(len(rates)) == len(rates) - 1))
        kept = kept[np.diff(rates[kept], prepend=0) > 0][::-1]
        half_a_voxel = 0.5 * float(np.mean([1 / scan.healthy for scan in scans])) / len(scans)
        marked = float(np.mean([scan.marked / scan.healthy for scan in scans]))
        return cls(
            cases=sorted(voxels),
            margin_mm=float(margin_mm),
            scores=_edges(-bins[kept]).tolist(),
            rates=rates[kept].tolist(),
            beyond=float(_edges(-bins[:1] + 1)[0]),
            marked=max(marked, half_a_voxel),
        )

    def threshold(self, rate: float) -> float:
        """The lowest threshold that calls at most a share of a scan's healthy voxels unknown, mean over scans.

        Args:
            rate: Wanted rate of false positives, between 0 and 1. Where one voxel is more, the threshold lies above
                every healthy voxel.

        Raises:
            ValueError: The rate is not between 0 and 1.
        """
        if rate not in RATE:
            raise ValueError(f"A rate of false positives expects {RATE}, found {rate}.")
        allowed = np.flatnonzero(np.array(self.rates) <= rate)
        return self.scores[int(allowed[0])] if len(allowed) else self.beyond

    def tail(self, scores: np.ndarray) -> np.ndarray:
        """How rare a score is among healthy voxels: −log10 of the rate of a threshold there.

        Between the points of the curve the logarithm is interpolated. Above the highest healthy voxel, of which the
        rate is 0 and its logarithm nothing, it rises from the rate of that voxel towards half of it (half a voxel
        beyond the highest), −log10(rate) + log10(2) · (1 − highest / score): higher scores always rank higher.

        Args:
            scores: Anomaly map of any shape.

        Returns:
            Rarity, float32, of the same shape, at least 0, monotone in the map; 0 where the map is 0.
        """
        result = np.zeros(scores.shape, np.float32)
        inside = scores > 0
        values = scores[inside].astype(np.float64)
        rarity = np.interp(values, self.scores, -np.log10(np.array(self.rates)))
        highest = np.float64(max(self.scores[-1], 1e-30))
        rarity += np.log10(2) * (1 - highest / np.maximum(values, highest))
        result[inside] = rarity
        return result


def combined(scores: np.ndarray, known: np.ndarray, calibration: Calibration) -> np.ndarray:
    """One map for known and unknown: rarity of the anomaly, raised where the segmentation agrees.

    combined = tail(map) + known · min(tail(map), −log10(marked)), where ``marked`` is the share of healthy voxels that
    the segmentation marks wrongly. Both count decades of false positives: a voxel that both models call ill, each
    rarely wrong, ranks first; where the segmentation marks nothing, the order is that of the map. A mark can at most
    double what the map says: on lesions of other kinds segmentations mark what no map supports.

    Args:
        scores: Anomaly map (z, y, x) or (y, x).
        known: Mask of the supervised segmentation, or its probability of a lesion from 0 to 1, of the same shape.
        calibration: Calibration of both models.

    Returns:
        Combined score, float32, of the same shape, at least 0.

    Raises:
        ValueError: Different shapes.

    Example:
        >>> voxels = HealthyVoxels.of(np.linspace(0.1, 1, 10)[None], np.eye(1, 10) > 0, np.ones((1, 10)) > 0, (1, 1), 0)
        >>> combined(np.array([0.0, 1.0]), np.array([True, True]), Calibration.of({"case": voxels}, 0)).tolist()
        [0.0, 2.0]
    """
    if scores.shape != known.shape:
        raise ValueError(f"Map and segmentation have the shapes {scores.shape} and {known.shape}; expected the same.")
    tail = calibration.tail(scores)
    return tail + known.astype(np.float32) * np.minimum(tail, np.float32(-np.log10(calibration.marked)))


@dataclass(frozen=True)
class RateCheck:
    """Rates of cases at thresholds that were chosen without them.

    Attributes:
        wanted: Rate that was wanted.
        rates: Rate by case, at the threshold that the other cases give.
    """

    wanted: float
    rates: dict[str, float]

    @classmethod
    def leaving_one_out(cls, voxels: Mapping[str, HealthyVoxels], margin_mm: float, rate: float) -> RateCheck:
        """Choose the threshold on all cases but one, and measure the rate of that one; for every case.

        Args:
            voxels: Healthy voxels by case, of two cases or more.
            margin_mm: Margin that they were counted with, mm.
            rate: Wanted rate of false positives.

        Raises:
            ValueError: There are fewer than two cases.
        """
        if len(voxels) < 2:
            raise ValueError(
                f"A promise is checked on cases left out: expected two cases or more, found {len(voxels)}."
            )
        rates = {}
        for case, scan in voxels.items():
            others = {other: v for other, v in voxels.items() if other != case}
            rates[case] = scan.rate(Calibration.of(others, margin_mm).threshold(rate))
        return cls(rate, rates)

    @property
    def mean(self) -> float:
        """Mean over the cases."""
        return float(np.mean(list(self.rates.values())))

    def summary(self) -> dict[str, Any]:
        """What files keep: mean, least and greatest rate, and all of them."""
        rates = list(self.rates.values())
        return {
            "mean": self.mean,
            "least": min(rates),
            "greatest": max(rates),
            "rates": dict(sorted(self.rates.items())),
        }

    def in_words(self) -> str:
        """A sentence for people who are about to rely on the promise."""
        found = self.summary()
        mean, least, greatest = (_percent(found[key]) for key in ("mean", "least", "greatest"))
        return (
            f"Promised: {_percent(self.wanted)} of a scan's healthy voxels are called unknown, on average. Checked on "
            f"{len(self.rates)} scans, each with a threshold from the others: mean {mean}, least {least}, greatest "
            f"{greatest}."
        )


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _edges(bins: np.ndarray) -> np.ndarray:
    """The lowest score of each coarse bin, at least 0; float64."""
    return np.maximum(lower_edges(np.asarray(bins) * _COARSENING), 0).astype(np.float64)
