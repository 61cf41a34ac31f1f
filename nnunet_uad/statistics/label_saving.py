"""How many labels would the baseline need for the same score?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression

from nnunet_uad.metrics.bootstrap import LEVEL, resamples
from nnunet_uad.statistics.matrix import ScoreMatrix

DRAWS = 1000
LEAST_TRAININGS = 3


@dataclass(frozen=True)
class LabelSaving:
    """The label-saving factor of an arm at one budget.

    Attributes:
        factor: Labels that the baseline needs for the arm's score, divided by the arm's; 0 if fewer than the smallest
            budget of the baseline would do, infinite if its largest does not suffice.
        low: Lower end of the 95 % interval, in the same way; NaN with fewer than three trainings, whose resamples say
            nothing.
        high: Upper end of the interval.
    """

    factor: float
    low: float
    high: float


def label_saving(
    amounts: Sequence[float],
    baseline: Sequence[ScoreMatrix],
    arm: Sequence[ScoreMatrix],
    draws: int = DRAWS,
    seed: int = 0,
) -> list[LabelSaving]:
    """The factor of every budget.

    The baseline's curve is made monotone (isotonic regression) and interpolated linearly over the logarithm of the
    amount of labels; it is never extrapolated. Intervals: trainings and cases are resampled, the same for both arms
    and all budgets.

    Args:
        amounts: Number of labels of each budget, ascending.
        baseline: Scores of the baseline at each budget.
        arm: Scores of the arm at each budget.
        draws: Number of resamples.
        seed: Seed of the resamples.
    """
    matrices = [*baseline, *arm]
    means = np.array([m.mean for m in matrices])
    resampled = _resampled_means(matrices, draws, seed)
    budgets = len(amounts)
    savings = []
    enough = len({training for matrix in matrices for training in matrix.trainings}) >= LEAST_TRAININGS
    tail = (1 - LEVEL) / 2
    for k, amount in enumerate(amounts):
        factor = labels_needed(amounts, means[:budgets], means[budgets + k]) / amount
        each = [labels_needed(amounts, row[:budgets], row[budgets + k]) / amount for row in resampled]
        # Of the values themselves: between 0 and infinity nothing can be interpolated.
        low, high = np.quantile(each, [tail, 1 - tail], method="inverted_cdf") if enough else (np.nan, np.nan)
        savings.append(LabelSaving(float(factor), float(low), float(high)))
    return savings


def labels_needed(amounts: Sequence[float], scores: np.ndarray, wanted: float) -> float:
    """Where the monotone curve reaches a score: 0 below its start, infinite above its end.

    Args:
        amounts: Number of labels of each budget, ascending.
        scores: Mean score at each budget, (budgets,).
        wanted: Score to reach.

    Example:
        >>> round(labels_needed([1, 10, 100], np.array([0.5, 0.6, 0.7]), 0.65), 1)
        31.6
    """
    curve = isotonic_regression(scores).x
    if wanted < curve[0]:
        return 0.0
    if wanted > curve[-1]:
        return float("inf")
    # Of a flat piece the fewest labels count; the last point below, then the straight line to the next.
    after = int(np.searchsorted(curve, wanted, side="left"))
    if after == 0 or curve[after] == wanted:
        return float(amounts[after])
    low, high = curve[after - 1], curve[after]
    logs = np.log(np.asarray(amounts, float)[after - 1 : after + 1])
    return float(np.exp(logs[0] + (wanted - low) / (high - low) * (logs[1] - logs[0])))


def _resampled_means(matrices: Sequence[ScoreMatrix], draws: int, seed: int) -> np.ndarray:
    """(draws, matrices): means over resampled trainings and cases."""
    trainings = sorted({t for m in matrices for t in m.trainings}, key=repr)
    cases = sorted({c for m in matrices for c in m.cases}, key=repr)
    # A single training cannot be resampled: its weight is 1 in every resample.
    by_training = resamples(len(trainings), draws, seed)
    by_case = resamples(len(cases), draws, seed + 1)
    result = np.empty((draws, len(matrices)))
    for k, matrix in enumerate(matrices):
        rows = by_training[:, [trainings.index(t) for t in matrix.trainings]]
        columns = by_case[:, [cases.index(c) for c in matrix.cases]]
        known = ~np.isnan(matrix.values)
        total = ((rows @ np.where(known, matrix.values, 0.0)) * columns).sum(1)
        weight = ((rows @ known) * columns).sum(1)
        # A resample without any score of this arm says what the whole sample says.
        result[:, k] = np.where(weight > 0, total / np.maximum(weight, 1), matrix.mean)
    return result
