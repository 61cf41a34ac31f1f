"""Intervals over cases: the percentile bootstrap (Efron 1979)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

DRAWS = 1000
LEVEL = 0.95


def resamples(cases: int, draws: int = DRAWS, seed: int = 0) -> np.ndarray:
    """How often each case is in each resample: integers (draws, cases), rows summing to ``cases``."""
    return np.random.default_rng(seed).multinomial(cases, np.full(cases, 1 / cases), size=draws)


def interval(
    cases: int, statistic: Callable[[np.ndarray], float], draws: int = DRAWS, level: float = LEVEL, seed: int = 0
) -> tuple[float, float] | None:
    """Percentile interval of a statistic over resampled cases.

    Args:
        cases: their number.
        statistic: weights (cases,), how often each case counts → value; resamples where it is NaN are left out.
        draws: resamples.
        level: of the interval.
        seed: of the resamples.

    Returns:
        Lower and upper end; ``None`` for a single case, whose spread is unknown, or where nothing is defined.
    """
    if cases < 2:
        return None
    values = np.array([statistic(weights) for weights in resamples(cases, draws, seed)])
    values = values[~np.isnan(values)]
    if not len(values):
        return None
    tail = (1 - level) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def mean_interval(values: Sequence[float], **options: float) -> tuple[float, float] | None:
    """Interval of the mean over cases; cases without a value (NaN) are left out."""
    known = np.array([v for v in values if not np.isnan(v)])
    return interval(len(known), lambda weights: float(weights @ known / weights.sum()), **options)  # type: ignore[arg-type]
