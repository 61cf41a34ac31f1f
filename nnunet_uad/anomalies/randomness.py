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
    """A random voxel of ``foreground``, ``None`` if it is empty."""
    for _ in range(20):
        place = tuple(int(rng.randint(n)) for n in foreground.shape)
        if foreground[place]:
            return place
    flat = np.flatnonzero(foreground)
    if not len(flat):
        return None
    return tuple(int(i) for i in np.unravel_index(flat[rng.randint(len(flat))], foreground.shape))
