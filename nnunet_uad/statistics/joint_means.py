"""Means of several groups of scores that share trainings and cases, drawn together as other studies might find them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from nnunet_uad.statistics.matrix import ScoreMatrix


def influences(matrices: Sequence[ScoreMatrix], by_training: bool) -> np.ndarray:
    """What each training, or each case, adds to the means: (trainings or cases, groups); columns sum to 0.

    Args:
        matrices: Scores of each group.
        by_training: Whether trainings are asked for, else cases.
    """
    keys: list[Hashable] = sorted({k for m in matrices for k in (m.trainings if by_training else m.cases)}, key=repr)
    result = np.zeros((len(keys), len(matrices)))
    for column, matrix in enumerate(matrices):
        deviations = np.nan_to_num(matrix.values - matrix.mean) / np.count_nonzero(~np.isnan(matrix.values))
        rows = [keys.index(k) for k in (matrix.trainings if by_training else matrix.cases)]
        result[rows, column] = deviations.sum(1 if by_training else 0)
    return result


def mean_variances(matrices: Sequence[ScoreMatrix]) -> np.ndarray:
    """Variances of the means over trainings and cases, (groups,).

    Args:
        matrices: Scores of each group.
    """
    return np.asarray(sum(_inflated(u) * (u**2).sum(0) for u in _parts(matrices)))


def drawn_means(matrices: Sequence[ScoreMatrix], draws: int, seed: int = 0) -> np.ndarray:
    """Means as other trainings and other cases might give them, (draws, groups).

    A bootstrap of three trainings knows three values only. Here their deviations, and those of the cases, are added
    with normal weights over the root of χ²/df, the same for all groups. Of any linear combination of the means that is
    Student's interval where only trainings or only cases differ, and the generalised one of
    :meth:`~nnunet_uad.statistics.intervals.MeanVariance.half_width` where both do, but for the rest: it is counted in
    both parts, which errs on the safe side.

    Args:
        matrices: Scores of each group; at least two trainings and two cases.
        draws: Number of draws.
        seed: Seed of the draws.
    """
    rng = np.random.default_rng(seed)
    means = np.tile([m.mean for m in matrices], (draws, 1))
    for u in _parts(matrices):
        freedom = len(u) - 1
        scale = np.sqrt(_inflated(u) * freedom / rng.chisquare(freedom, draws))
        means += scale[:, None] * (rng.standard_normal((draws, len(u))) @ u)
    return means


def _parts(matrices: Sequence[ScoreMatrix]) -> list[np.ndarray]:
    """Influences of trainings, and of cases unless those of trainings hold them: every case tested by one of them."""
    nested = all((np.count_nonzero(~np.isnan(m.values), axis=0) <= 1).all() for m in matrices)
    return [influences(matrices, by_training=True), *([] if nested else [influences(matrices, by_training=False)])]


def _inflated(u: np.ndarray) -> float:
    """N / (N − 1): deviations from an estimated mean are too small."""
    return len(u) / (len(u) - 1)
