"""Synthetic studies whose truth is known: trainings and cases with effects of their own, an arm with or without gain."""

from __future__ import annotations

import numpy as np

from nnunet_uad.statistics.matrix import ScoreMatrix


def matrix(values: np.ndarray, fold: int = 0) -> ScoreMatrix:
    """Of one outer fold."""
    return ScoreMatrix(
        tuple((fold, d) for d in range(len(values))), tuple((fold, c) for c in range(values.shape[1])), values
    )


def scores(
    rng: np.random.Generator,
    trainings: int,
    cases: int,
    mean: float = 0.7,
    training_sd: float = 0.03,
    case_sd: float = 0.1,
    rest_sd: float = 0.03,
) -> ScoreMatrix:
    """Trainings x cases; cases are skewed, as Dice is: few are much worse."""
    skewed = (1 - rng.gamma(4.0, 1.0, cases) / 4.0) * 2.0
    values = (
        mean
        + training_sd * rng.standard_normal((trainings, 1))
        + case_sd * skewed
        + rest_sd * rng.standard_normal((trainings, cases))
    )
    return matrix(values)
