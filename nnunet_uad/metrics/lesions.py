"""Lesion-wise scores: which lesions were found, which findings are wrong.

Matching rule: lesions and findings are connected components (neighbours share a face, an edge or a corner). A lesion
is found when at least ``min_overlap`` of its voxels are selected; a finding is correct when at least
``min_overlap`` of its voxels lie in lesions. A mask that covers everything finds every lesion and is itself wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

#: Share of a component that must overlap.
MIN_OVERLAP = 0.1


@dataclass(frozen=True)
class LesionCounts:
    """Counts of one or more scans; add them up with ``+``."""

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

    def scores(self) -> dict[str, float]:
        """Recall, precision, F1 and false positives per scan; NaN where a denominator is 0."""
        recall, precision = _ratio(self.found, self.lesions), _ratio(self.correct, self.findings)
        both = recall + precision
        f1 = 2 * recall * precision / both if both > 0 else (0.0 if both == 0 else float("nan"))
        return {
            "lesion_recall": recall,
            "lesion_precision": precision,
            "lesion_F1": f1,
            "false_positives_per_scan": _ratio(self.findings - self.correct, self.scans),
        }


def count_lesions(selected: np.ndarray, positive: np.ndarray, min_overlap: float = MIN_OVERLAP) -> LesionCounts:
    """Match the components of one scan.

    Args:
        selected: boolean mask.
        positive: boolean ground truth of the same shape.
        min_overlap: see the rule above.
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
    """Components of a boolean mask, diagonal neighbours connected: labels from 1 and their number."""
    labels, count = ndimage.label(mask, structure=np.ones((3,) * mask.ndim, dtype=bool))
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
