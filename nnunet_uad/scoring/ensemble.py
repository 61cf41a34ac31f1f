"""Maps of different methods on one scale: ranks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnunet_uad.metrics.baseline import equalised_intensity


def rank_ensemble(maps: Sequence[np.ndarray], foreground: np.ndarray, weights: Sequence[float] = ()) -> np.ndarray:
    """Weighted mean of the maps' ranks among the foreground voxels of a case, in [0, 1]; 0 outside.

    Scores of different methods have different units; their ranks do not. What is lost is the comparison between
    cases: every case has voxels of rank 1.

    Args:
        maps: Anomaly maps (z, y, x), one per method.
        foreground: Mask of the same shape.
        weights: Weights of the maps; equal if omitted.

    Raises:
        ValueError: There is no map, shapes differ, or the number of weights is another.
    """
    if not maps or any(m.shape != foreground.shape for m in maps):
        raise ValueError(
            f"Expected maps of the foreground's shape {foreground.shape}, found {[m.shape for m in maps]}."
        )
    shares = np.asarray(weights or [1.0] * len(maps), dtype=np.float64)
    if len(shares) != len(maps) or not shares.sum() > 0:
        raise ValueError(f"Expected {len(maps)} weights with a positive sum, found {list(weights)}.")
    ranked = [equalised_intensity(m, foreground) * (w / shares.sum()) for m, w in zip(maps, shares, strict=True)]
    return np.sum(ranked, axis=0).astype(np.float32)
