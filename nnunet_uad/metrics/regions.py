"""AUPRO: area under the per-region overlap curve.

Bergmann et al., MVTec AD, CVPR 2019, https://doi.org/10.1109/CVPR.2019.00982
"""

from __future__ import annotations

import numpy as np
from scipy.integrate import trapezoid

from nnunet_uad.metrics.curves import Curve
from nnunet_uad.metrics.histogram import bins_of
from nnunet_uad.metrics.lesion_recall import Lesions

#: The curve is integrated up to this false-positive rate, as in the paper.
MAX_FALSE_POSITIVE_RATE = 0.3


class RegionOverlap:
    """Mean share of each ground-truth region above every threshold, collected case by case.

    Every region counts the same, whatever its size. Voxels of a region are kept as sums over bins of their
    scores, so memory does not grow with the number of voxels.
    """

    def __init__(self) -> None:
        self.regions = 0
        self._weights: dict[int, float] = {}

    def add(self, scores: np.ndarray, positive: np.ndarray) -> None:
        """Add a case.

        Args:
            scores: Anomaly map, any shape, higher is more anomalous.
            positive: Mask of the lesions, boolean, of the same shape.
        """
        lesions = Lesions.of(positive)
        self.add_lesions(scores.reshape(-1)[lesions.voxels].astype(np.float32), lesions.sizes)

    def add_lesions(self, values: np.ndarray, sizes: np.ndarray) -> None:
        """Add the lesions of a case, where they are known.

        Args:
            values: Scores (N,) of their voxels, float32, lesion after lesion.
            sizes: Number of voxels of each lesion (L,).
        """
        if not len(sizes):
            return
        self.regions += len(sizes)
        unique, inverse = np.unique(bins_of(values), return_inverse=True)
        weights = np.bincount(inverse, weights=np.repeat(1.0 / sizes, sizes))
        for key, weight in zip(unique.tolist(), weights.tolist(), strict=True):
            self._weights[key] = self._weights.get(key, 0.0) + weight

    def aupro(self, curve: Curve, max_rate: float = MAX_FALSE_POSITIVE_RATE) -> float:
        """Area under region overlap over the false-positive rate up to ``max_rate``, divided by ``max_rate``.

        Args:
            curve: Curve of the same cases, for the false-positive rates.
            max_rate: False-positive rate up to which the area is measured, above 0.

        Returns:
            Area from 0 to 1; NaN without regions or without voxels outside them.
        """
        if not self.regions or not curve.negatives:
            return float("nan")
        bins = np.array(sorted(self._weights, reverse=True), dtype=np.int64)
        gained = np.array([self._weights[b] for b in bins.tolist()])
        overlap = np.zeros(len(curve.bins))
        # Every bin of a region voxel is one of the curve's of the same cases.
        overlap[np.searchsorted(-curve.bins, -bins)] = gained
        overlap = np.concatenate([[0.0], np.cumsum(overlap) / self.regions])
        rate = np.concatenate([[0.0], curve.false_positives / curve.negatives])
        at_end = np.interp(max_rate, rate, overlap)
        kept = rate < max_rate
        x, y = np.append(rate[kept], max_rate), np.append(overlap[kept], at_end)
        # Sums of shares round: a perfect map has 1, not 1 and something.
        return min(1.0, float(trapezoid(y, x) / max_rate))
