"""Intervals over cases: the percentile bootstrap.

Efron 1979, https://doi.org/10.1214/aos/1176344552
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

DRAWS = 1000
LEVEL = 0.95


def resamples(cases: int, draws: int = DRAWS, seed: int = 0) -> np.ndarray:
    """How often each case is in each resample: integers (draws, cases), rows summing to ``cases``."""
    return np.random.default_rng(seed).multinomial(cases, np.full(cases, 1 / cases), size=draws)


def intervals(
    cases: int, statistics: Callable[[np.ndarray], np.ndarray], draws: int = DRAWS, level: float = LEVEL, seed: int = 0
) -> list[tuple[float, float] | None] | None:
    """Percentile intervals of statistics over resampled cases.

    Args:
        cases: Number of cases.
        statistics: Function from weights (cases,), how often each case counts, to values (K,); a value's resamples
            where it is NaN are left out.
        draws: Number of resamples.
        level: Coverage of the intervals, from 0 to 1.
        seed: Seed of the resamples.

    Returns:
        Lower and upper end of each value, ``None`` for one that is never defined; ``None`` altogether for a single
        case, whose spread is unknown.
    """
    if cases < 2:
        return None
    # Few cases have few different resamples (three have ten), each of which is measured once.
    drawn, again = np.unique(resamples(cases, draws, seed), axis=0, return_inverse=True)
    values = np.array([statistics(weights) for weights in drawn])[again.reshape(-1)]
    tail = (1 - level) / 2
    ends: list[tuple[float, float] | None] = []
    for column in values.T:
        known = column[~np.isnan(column)]
        low, high = np.quantile(known, [tail, 1 - tail]) if len(known) else (0.0, 0.0)
        ends.append((float(low), float(high)) if len(known) else None)
    return ends


def mean_interval(values: Sequence[float], draws: int = DRAWS) -> tuple[float, float] | None:
    """Interval of the mean over cases; cases without a value (NaN) are left out."""
    known = np.array([v for v in values if not np.isnan(v)])
    ends = intervals(len(known), lambda weights: np.array([weights @ known / weights.sum()]), draws)
    return ends[0] if ends else None
