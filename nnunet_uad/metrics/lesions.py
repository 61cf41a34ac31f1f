"""Lesion-wise scores: which lesions were found, which findings are wrong.

Matching rule: lesions and findings are connected components (neighbours share a face, an edge or a corner). A lesion
is found when at least ``min_overlap`` of its voxels are selected; a finding is correct when at least
``min_overlap`` of its voxels lie in lesions. A mask that covers everything finds every lesion and is itself wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from nnunet_uad.metrics.boxes import bounding_box
from nnunet_uad.metrics.metric import Metric

#: Share of a component that must overlap.
MIN_OVERLAP = 0.1


@dataclass(frozen=True)
class LesionCounts:
    """Counts of one or more scans; add them up with ``+``.

    Attributes:
        lesions: Number of lesions in the labels.
        found: Number of these that were found.
        findings: Number of components of the mask.
        correct: Number of these that are correct.
        scans: Number of scans.
    """

    lesions: int = 0
    found: int = 0
    findings: int = 0
    correct: int = 0
    scans: int = 0

    def __add__(self, other: LesionCounts) -> LesionCounts:
        return LesionCounts(
            self.lesions + other.lesions,
            self.found + other.found,
            self.findings + other.findings,
            self.correct + other.correct,
            self.scans + other.scans,
        )

    @property
    def recall(self) -> float:
        """Share of the lesions that were found; NaN without lesions."""
        return _ratio(self.found, self.lesions)

    @property
    def precision(self) -> float:
        """Share of the findings that are correct; NaN without findings."""
        return _ratio(self.correct, self.findings)

    @property
    def f1(self) -> float:
        """Harmonic mean of recall and precision; NaN where one of them is undefined."""
        both = self.recall + self.precision
        return 2 * self.recall * self.precision / both if both > 0 else (0.0 if both == 0 else float("nan"))

    @property
    def false_positives_per_scan(self) -> float:
        """Number of wrong findings divided by the number of scans; NaN without scans."""
        return _ratio(self.findings - self.correct, self.scans)


#: Rows of every table of lesion-wise scores.
LESION_METRICS: tuple[Metric[LesionCounts], ...] = (
    Metric("lesion_recall", lambda counts: counts.recall),
    Metric("lesion_precision", lambda counts: counts.precision),
    Metric("lesion_F1", lambda counts: counts.f1),
    Metric("false_positives_per_scan", lambda counts: counts.false_positives_per_scan),
)


def count_lesions(selected: np.ndarray, positive: np.ndarray, min_overlap: float = MIN_OVERLAP) -> LesionCounts:
    """Match the components of one scan.

    Args:
        selected: Mask to be scored (z, y, x) or (y, x), boolean.
        positive: True lesions, boolean, of the same shape.
        min_overlap: Share of a component's voxels that must overlap, from 0 to 1.
    """
    lesions, lesion_count = connected_components(positive)
    findings, finding_count = connected_components(selected)
    return LesionCounts(
        lesions=lesion_count,
        found=int((_shares(lesions, lesion_count, selected) >= min_overlap).sum()),
        findings=finding_count,
        correct=int((_shares(findings, finding_count, positive) >= min_overlap).sum()),
        scans=1,
    )


def connected_components(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """Components of a mask, diagonal neighbours connected.

    Args:
        mask: Mask of any shape.

    Returns:
        Labels from 1, of the same shape, and their number.
    """
    labels = np.zeros(mask.shape, dtype=np.int32)
    # Lesions fill little of a volume: the box around them has the same components in the same order.
    box = bounding_box(mask)
    labels[box], count = ndimage.label(mask[box], structure=np.ones((3,) * mask.ndim, dtype=bool))
    return labels, int(count)


def _shares(labels: np.ndarray, count: int, mask: np.ndarray) -> np.ndarray:
    """Share of each component inside ``mask``."""
    inside = labels > 0
    components = labels[inside]
    sizes = np.bincount(components, minlength=count + 1)[1:]
    hits = np.bincount(components, weights=mask[inside], minlength=count + 1)[1:]
    return hits / np.maximum(sizes, 1)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
