"""Scores of any number of voxels as two histograms: constant memory, resolution of a float's upper bits."""

from __future__ import annotations

import numpy as np

#: Low bits of a float32 that are dropped: 16 of 23 mantissa bits stay, 65536 bins between a number and its double.
_DROPPED_BITS = 7
#: Bits of 2^-40, about 9e-13; smaller magnitudes count as 0, or most of the bins would lie between 0 and them.
_SMALLEST = 87 << 23
_INFINITY = 0x7F800000
_CHUNK = 1 << 19
#: Bins of the histogram that fall into one bin of :meth:`ScoreHistogram.coarse`.
COARSENING = 512


class ScoreHistogram:
    """Counts of positive and negative voxels over the upper 25 bits of their float32 scores.

    The bins are those of the floating point format: no range has to be known beforehand, histograms of different
    cases have the same bins and can be added, and the bin width is 1/65536 of the power of two below the score.
    Only the range of bins between the lowest and the highest score is held, 16 bytes each.
    """

    def __init__(self) -> None:
        self.first_bin = 0
        self.positives = np.zeros(0, np.int64)
        self.voxels = np.zeros(0, np.int64)

    def add(self, scores: np.ndarray, positive: np.ndarray) -> None:
        """Count voxels.

        Args:
            scores: any shape, higher is more anomalous; converted to float32.
            positive: boolean, of the same shape.

        Raises:
            ValueError: different shapes, or NaN among the scores.
        """
        if scores.shape != positive.shape:
            raise ValueError(f"Scores have shape {scores.shape}, labels {positive.shape}; expected the same.")
        flat, labels = scores.reshape(-1), positive.reshape(-1)
        for start in range(0, len(flat), _CHUNK):
            bins = bins_of(np.ascontiguousarray(flat[start : start + _CHUNK], dtype=np.float32))
            low, high = int(bins.min()), int(bins.max()) + 1
            self._cover(low, high)
            bins -= low
            window = slice(low - self.first_bin, high - self.first_bin)
            self.voxels[window] += np.bincount(bins, minlength=high - low)
            lesion = bins[labels[start : start + _CHUNK]]
            if len(lesion):
                self.positives[window] += np.bincount(lesion, minlength=high - low)

    def merge(self, other: ScoreHistogram) -> None:
        """Add the counts of another histogram."""
        if not len(other.voxels):
            return
        self._cover(other.first_bin, other.first_bin + len(other.voxels))
        start = other.first_bin - self.first_bin
        window = slice(start, start + len(other.voxels))
        self.voxels[window] += other.voxels
        self.positives[window] += other.positives

    def coarse(self) -> dict[int, tuple[int, int]]:
        """Occupied bins 512 times as wide: index → (positives, voxels); small enough to keep per case."""
        if not len(self.voxels):
            return {}
        index = (np.arange(len(self.voxels)) + self.first_bin) // COARSENING
        index -= index[0]
        voxels = np.bincount(index, weights=self.voxels).astype(np.int64)
        positives = np.bincount(index, weights=self.positives).astype(np.int64)
        first = self.first_bin // COARSENING
        return {int(first + k): (int(positives[k]), int(voxels[k])) for k in np.flatnonzero(voxels)}

    def _cover(self, low: int, high: int) -> None:
        """Widen the range of bins to [low, high)."""
        if not len(self.voxels):
            self.first_bin = low
        before = max(0, self.first_bin - low)
        after = max(0, high - self.first_bin - len(self.voxels))
        if before or after:
            self.first_bin -= before
            self.voxels = np.pad(self.voxels, (before, after))
            self.positives = np.pad(self.positives, (before, after))


def bins_of(scores: np.ndarray) -> np.ndarray:
    """Bin of every score: int64, ascending with the score, 0 for zero.

    Args:
        scores: float32, contiguous.

    Raises:
        ValueError: NaN, which has no place in an order.
    """
    bits = scores.view(np.int32)
    magnitude = bits & np.int32(0x7FFFFFFF)
    if int(magnitude.max()) > _INFINITY:
        raise ValueError("The scores hold NaN, which cannot be ranked. Mend the anomaly map.")
    magnitude -= np.int32(_SMALLEST)
    magnitude >>= _DROPPED_BITS
    magnitude += np.int32(1)
    bins = np.maximum(magnitude, 0, out=magnitude).astype(np.int64)
    negative = bits < 0
    if negative.any():
        np.negative(bins, out=bins, where=negative)
    return bins


def lower_edges(bins: np.ndarray) -> np.ndarray:
    """The lowest score of each bin, float32: ``score >= edge`` selects the bin and all above it."""
    magnitude = np.where(bins > 0, _SMALLEST + ((bins - 1) << _DROPPED_BITS), _SMALLEST - (bins << _DROPPED_BITS) - 1)
    edges = np.minimum(magnitude, _INFINITY).astype(np.int32).view(np.float32)
    return np.where(bins > 0, edges, -edges)
