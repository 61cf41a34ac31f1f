"""Scores of any number of voxels as two histograms: constant memory, resolution of a float's upper bits."""

from __future__ import annotations

import numpy as np

#: Low bits of a float32 that are dropped: 16 of 23 mantissa bits stay, 65536 bins between a number and its double.
_DROPPED_BITS = 7
#: Bits of 2^-40, about 9e-13; smaller magnitudes count as 0, or most of the bins would lie between 0 and them.
_SMALLEST = 87 << 23
_INFINITY = 0x7F800000
#: Voxels that are counted at a time, and of these the voxels whose bins are computed at a time, in the cache.
_CHUNK = 1 << 22
_PIECE = 1 << 15
#: What :meth:`ScoreHistogram.compact` keeps: so many bins in full resolution, the others in groups.
TOP_BINS = 20_000
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
            scores: Scores of any shape, higher is more anomalous; converted to float32.
            positive: Mask of the lesions, boolean, of the same shape.

        Raises:
            ValueError: Different shapes, or NaN among the scores.
        """
        if scores.shape != positive.shape:
            raise ValueError(f"Scores have shape {scores.shape}, labels {positive.shape}; expected the same.")
        flat, labels = scores.reshape(-1), positive.reshape(-1)
        buffer = np.empty(min(_CHUNK, len(flat)), dtype=np.int64)
        for start in range(0, len(flat), _CHUNK):
            part, marked = flat[start : start + _CHUNK], labels[start : start + _CHUNK]
            if 2 * np.count_nonzero(part) < len(part):
                # Most of a map is background of score 0: it is counted at once.
                part, marked = self._without_zeros(part, marked)
            if len(part):
                self._count(part, marked, buffer[: len(part)])

    def _without_zeros(self, scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What is left of scores and labels (N,) when those of score 0 are counted."""
        occupied = scores != 0
        left = positive[occupied]
        self._cover(0, 1)
        self.voxels[-self.first_bin] += len(scores) - len(left)
        self.positives[-self.first_bin] += np.count_nonzero(positive) - np.count_nonzero(left)
        return scores[occupied], left

    def _count(self, scores: np.ndarray, positive: np.ndarray, bins: np.ndarray) -> None:
        """Count scores and labels (N,); ``bins`` (N,) is memory for their bins."""
        for start in range(0, len(bins), _PIECE):
            piece = scores[start : start + _PIECE]
            bins[start : start + len(piece)] = bins_of(np.ascontiguousarray(piece, dtype=np.float32))
        low, high = int(bins.min()), int(bins.max()) + 1
        self._cover(low, high)
        bins -= low
        window = slice(low - self.first_bin, high - self.first_bin)
        self.voxels[window] += np.bincount(bins, minlength=high - low)
        # Lesions are few: adding them one by one is cheaper than counting over all bins.
        np.add.at(self.positives[window], bins[positive], 1)

    def merge(self, other: ScoreHistogram) -> None:
        """Add the counts of another histogram."""
        if not len(other.voxels):
            return
        self._cover(other.first_bin, other.first_bin + len(other.voxels))
        start = other.first_bin - self.first_bin
        window = slice(start, start + len(other.voxels))
        self.voxels[window] += other.voxels
        self.positives[window] += other.positives

    def compact(self, top: int = TOP_BINS) -> np.ndarray:
        """Small enough to keep per case: rows of (bin, positives, voxels), int64.

        The ``top`` highest occupied bins stay as they are; what lies below, where precision is low and little
        depends on it, is summed over groups of 512 bins, each named by its lowest bin.
        """
        occupied = np.flatnonzero(self.voxels)
        low, high = np.split(occupied, [max(0, len(occupied) - top)])
        high = high[::-1]
        rows = np.stack([high + self.first_bin, self.positives[high], self.voxels[high]], axis=1)
        if not len(low):
            return rows
        groups = (low + self.first_bin) // COARSENING
        first = np.flatnonzero(np.diff(groups, prepend=groups[0] - 1))
        sums = [np.add.reduceat(counts[low], first) for counts in (self.positives, self.voxels)]
        return np.concatenate([rows, np.stack([groups[first] * COARSENING, *sums], axis=1)])

    def _cover(self, low: int, high: int) -> None:
        """Widen the range of bins to [low, high)."""
        if not len(self.voxels):
            self.first_bin = low
        before = max(0, self.first_bin - low)
        after = max(0, high - self.first_bin - len(self.voxels))
        if before or after:
            self.first_bin -= before
            self.voxels, self.positives = (_widened(c, before, after) for c in (self.voxels, self.positives))


def _widened(counts: np.ndarray, before: int, after: int) -> np.ndarray:
    """Counts with empty bins on both sides."""
    # np.pad writes the zeros; memory that comes as zeros does without.
    wide = np.zeros(before + len(counts) + after, counts.dtype)
    wide[before : before + len(counts)] = counts
    return wide


def bins_of(scores: np.ndarray) -> np.ndarray:
    """Bin of every score: int32, ascending with the score, 0 for zero.

    Between 0.5 and 1 the bins are those of the distance to 1, which a float32 there represents exactly:
    probabilities and ranks crowd below 1 as other scores do above 0.

    Args:
        scores: Scores of any shape, float32, contiguous.

    Raises:
        ValueError: NaN among the scores, which has no place in an order.
    """
    magnitude = np.abs(scores)
    bins = _plain_bins(magnitude)
    highest = int(bins.max()) if bins.size else 0
    if highest > _INFINITE_BIN:
        raise ValueError(
            "The scores hold NaN, which cannot be ranked. Fix the anomaly map: every voxel needs a number."
        )
    if highest > _HALF:
        above = bins >= _ONE
        crowded = bins > _HALF
        crowded &= ~above
        np.subtract(np.float32(1), magnitude, out=magnitude)
        # What is not between 0.5 and 1 gives nonsense here, and is not copied.
        mirrored = np.subtract(np.int32(2 * _HALF), _plain_bins(magnitude))
        np.copyto(bins, mirrored, where=crowded)
        np.add(bins, np.int32(_WIDENED), out=bins, where=above)
    if scores.size and scores.min() < 0:
        np.negative(bins, out=bins, where=scores < 0)
    return bins


def lower_edges(bins: np.ndarray) -> np.ndarray:
    """The lowest score of each bin: ``score >= edge`` selects the bin and all above it.

    Args:
        bins: Numbers of bins, any shape.

    Returns:
        Scores, float32, of the same shape.
    """
    size = np.abs(bins)
    crowded = (size > _HALF) & (size <= _HALF + _CROWDED)
    mirrored = 2 * _HALF - size
    plain = np.where(size > _HALF + _CROWDED, size - _WIDENED, size)
    lowest, highest = _bits(plain, 0), _bits(plain, 1)
    # Distances to 1, rounded to the grid of float32 below 1.
    near, far = (1 - _bits(mirrored, k).astype(np.float64) for k in (0, 1))
    lowest = np.where(crowded, np.ceil(far * _GRID) / _GRID, lowest)
    highest = np.where(crowded, np.floor(near * _GRID) / _GRID, highest)
    return np.where(bins > 0, lowest, -highest).astype(np.float32)


def _plain_bins(magnitude: np.ndarray) -> np.ndarray:
    """Bins of scores ≥ 0 by their upper bits alone, int32."""
    bits = magnitude.view(np.int32) - np.int32(_SMALLEST - (1 << _DROPPED_BITS))
    bits >>= _DROPPED_BITS
    return np.maximum(bits, 0, out=bits)


def _plain(score: float) -> int:
    return int(_plain_bins(np.array([score], np.float32))[0])


def _bits(bins: np.ndarray, end: int) -> np.ndarray:
    """Lowest (0) or highest (1) score of bins by upper bits, float32; bin 0 holds what is below 2^-40."""
    bits = np.where(end == 0, _SMALLEST + ((bins - 1) << _DROPPED_BITS), _SMALLEST + (bins << _DROPPED_BITS) - 1)
    return np.clip(bits, 0, _INFINITY).astype(np.int32).view(np.float32)


_GRID = 2.0**24
_INFINITE_BIN = _plain(np.inf)
_HALF, _ONE = _plain(0.5), _plain(1.0)
#: Bins between 0.5 and 1, and how far those from 1 on move up to make room for them.
_CROWDED = _HALF - _plain(1 / _GRID)
_WIDENED = _HALF + _CROWDED + 1 - _ONE
