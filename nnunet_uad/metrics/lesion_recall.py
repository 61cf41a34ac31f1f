"""Which lesions a threshold finds, by their size: the share found at fixed false-positive rates.

By the matching rule of :mod:`nnunet_uad.metrics.lesions` a lesion is found where a tenth of its voxels are selected. So
one number says at which thresholds it is found: the score that a tenth of its voxels reach. Kept per lesion, it gives
the exact recall at every threshold, also at those that are known only when all cases were seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from nnunet_uad.metrics.lesions import MIN_OVERLAP, connected_components

#: Shares of the healthy foreground voxels that may lie above the threshold.
RATES = (0.01, 0.001)


@dataclass(frozen=True)
class SizeClass:
    """Lesions of a range of volumes.

    Attributes:
        name: Name as files and commands show it; empty for lesions of every size.
        low: Least volume, mm³.
        high: Largest volume, mm³.
    """

    name: str = ""
    low: float = 0.0
    high: float = math.inf

    def holds(self, volumes: np.ndarray) -> np.ndarray:
        """Which of the volumes (L,), mm³, belong to the class: booleans (L,)."""
        return (self.low <= volumes) & (volumes <= self.high)

    @property
    def suffix(self) -> str:
        """What distinguishes the keys of the class."""
        return f"_{self.name}" if self.name else ""


#: Spheres of less than 6 mm, of up to 12 mm, and larger ones. (MS criteria count lesions from 3 mm on, 14 mm³.)
SMALL, LARGE = 100.0, 1000.0
SIZES = (
    SizeClass(),
    SizeClass("small", high=math.nextafter(SMALL, 0)),
    SizeClass("medium", SMALL, LARGE),
    SizeClass("large", math.nextafter(LARGE, math.inf)),
)


def recall_key(size: SizeClass, rate: float) -> str:
    """Key of a recall in files: ``lesion_recall_small@fpr:0.01``.

    Args:
        size: Class of lesions.
        rate: False-positive rate of the threshold.
    """
    return f"lesion_recall{size.suffix}@fpr:{rate:g}"


def threshold_key(rate: float) -> str:
    """Key of the threshold of a false-positive rate in files: ``threshold@fpr:0.01``.

    Args:
        rate: False-positive rate.
    """
    return f"threshold@fpr:{rate:g}"


@dataclass(frozen=True)
class Lesions:
    """Lesions of a case, found once for all maps of it.

    Attributes:
        voxels: Indices (N,) of their voxels in the flattened image, lesion after lesion.
        sizes: Numbers of voxels (L,).
        volumes: Volumes (L,), mm³.
    """

    voxels: np.ndarray
    sizes: np.ndarray
    volumes: np.ndarray

    @classmethod
    def of(cls, positive: np.ndarray, voxel_volume: float = 1.0) -> Lesions:
        """The connected components of a mask.

        Args:
            positive: Mask of the lesions, boolean, of any shape.
            voxel_volume: Volume of a voxel, mm³; 1 counts in voxels.
        """
        labels, count = connected_components(positive)
        voxels = np.flatnonzero(positive)
        owners = labels.reshape(-1)[voxels]
        sizes = np.bincount(owners, minlength=count + 1)[1:]
        return cls(voxels[np.argsort(owners, kind="stable")], sizes, sizes * voxel_volume)

    def reached(self, values: np.ndarray, min_overlap: float = MIN_OVERLAP) -> np.ndarray:
        """The highest threshold at which each lesion is found: scores (L,).

        Args:
            values: Scores (N,) of the voxels, in their order.
            min_overlap: Share of a lesion's voxels that must be selected, above 0.
        """
        needed = np.ceil(self.sizes * min_overlap).astype(np.int64)
        # 30 · 0.1 is more than 3, but 3 / 30 is no less than 0.1: the rule divides.
        needed -= (needed - 1) / np.maximum(self.sizes, 1) >= min_overlap
        reached = np.empty(len(self.sizes), dtype=values.dtype)
        ends = np.cumsum(self.sizes)
        for k, (end, size, count) in enumerate(zip(ends.tolist(), self.sizes.tolist(), needed.tolist(), strict=True)):
            reached[k] = np.partition(values[end - size : end], size - count)[size - count]
        return reached


@dataclass(frozen=True)
class LesionReach:
    """At which thresholds the lesions of one case or several are found.

    Attributes:
        scores: Highest threshold at which each lesion is found (L,).
        members: Booleans (L,) by the name of a class, true of the lesions that belong to it.
        weights: Number of times that each lesion counts (L,), in a resample of the cases.
    """

    scores: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    members: Mapping[str, np.ndarray] = field(default_factory=lambda: {s.name: np.zeros(0, bool) for s in SIZES})
    weights: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def of(cls, scores: np.ndarray, volumes: np.ndarray) -> LesionReach:
        """Every lesion once.

        Args:
            scores: Highest threshold at which each lesion is found (L,).
            volumes: Volumes (L,), mm³.
        """
        return cls(scores, {size.name: size.holds(volumes) for size in SIZES}, np.ones(len(scores)))

    @classmethod
    def joined(cls, parts: Iterable[LesionReach]) -> LesionReach:
        """The lesions of several cases.

        Args:
            parts: Lesions of each case.
        """
        held = [cls(), *parts]
        return cls(
            np.concatenate([part.scores for part in held]),
            {size.name: np.concatenate([part.members[size.name] for part in held]) for size in SIZES},
            np.concatenate([part.weights for part in held]),
        )

    def weighted(self, weights: np.ndarray) -> LesionReach:
        """The same lesions, each counted as often as ``weights`` (L,) say."""
        return replace(self, weights=weights)

    def count(self, size: SizeClass) -> float:
        """Number of lesions of a class."""
        return float(self.weights[self.members[size.name]].sum())

    def recall(self, threshold: float, size: SizeClass) -> float:
        """Share of the lesions of a class that are found; NaN without any.

        Args:
            threshold: Least score of a selected voxel; NaN where there is none.
            size: Class of lesions.
        """
        members = self.members[size.name]
        weights = self.weights[members]
        total = float(weights.sum())
        if not total or math.isnan(threshold):
            return float("nan")
        return float(weights[self.scores[members] >= threshold].sum()) / total
