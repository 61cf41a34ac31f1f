"""Where the synthetic anomalies' randomness comes from."""

from __future__ import annotations

import numpy as np

Random = np.random.RandomState


def numpy_random() -> Random:
    """NumPy's global generator: nnU-Net's workers have one of their own each, forked ones share torch's."""
    return np.random.random_sample.__self__  # type: ignore[attr-defined]


def log_uniform(rng: Random, low: float, high: float) -> float:
    """A value between ``low`` and ``high``, uniform in its logarithm."""
    return float(low * (high / low) ** rng.random_sample())


def inside_voxel(foreground: np.ndarray, rng: Random) -> tuple[int, ...] | None:
    """A random voxel of a mask (*spatial), its index along each axis; ``None`` if the mask is empty."""
    # Trying places is faster than listing all of them, and as fair.
    tries = (rng.random_sample((20, foreground.ndim)) * foreground.shape).astype(np.intp)
    hits = np.flatnonzero(foreground[tuple(tries.T)])
    if len(hits):
        return tuple(tries[hits[0]].tolist())
    flat = np.flatnonzero(foreground)
    if not len(flat):
        return None
    return tuple(int(i) for i in np.unravel_index(flat[rng.randint(len(flat))], foreground.shape))
