"""The rule of the last rung: does the arm that is left beat training from scratch, or might luck do as well?

A wrong "use X" where no arm differs must stay rarer than once in twenty. Four things work against that, and each has
its remedy. Few cases: Student's t over the inner folds, which knows nothing of the data but their own spread. Trainings
with luck: every fold is a training of its own, new ones in the last rung. Training cases that folds share: their gains
move together, so the variance of the mean is more than the spread tells (:data:`SHARE`). The choice among several arms,
whose differences on these very patients survive new trainings: Bonferroni's correction over all arms that entered.
``benchmarks/choose_truth.py`` simulates it; docs/choose.md says what came out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

#: Probability of a wrong "use X" of Student's t where no arm differs; a little is left for what is not normal.
ALPHA = 0.04
#: Share of a fold's variance that belongs to its training cases: in the rows of our studies up to 0.24 in folds of one
#: test case, and 0.37 in folds of two.
SHARE = 0.4


@dataclass(frozen=True)
class Decision:
    """What the last rung says of the arm that is left.

    Attributes:
        use: Whether the arm is to be used.
        gain: Mean gain over the baseline, Dice.
        low: Lower end of its interval, Dice; the arm is used if it is above 0.
        high: Upper end of its interval, Dice.
        folds: Number of inner folds.
        arms: Number of arms that entered the first rung.
    """

    use: bool
    gain: float
    low: float
    high: float
    folds: int
    arms: int

    @property
    def level(self) -> float:
        """Level of the interval: both tails, corrected for the choice among the arms."""
        return 1 - 2 * ALPHA / self.arms


def overlap_factor(folds: int) -> float:
    """By how much the variance of the mean exceeds what the spread of folds says that share training cases.

    Two of K folds share (K − 2) / (K − 1) of their training cases, so their gains correlate by ρ = share · (K − 2) /
    (K − 1). The variance of the mean is σ²/K · (1 + (K − 1) ρ), while the spread estimates σ² (1 − ρ). With ρ = 1/K it
    is the corrected resampled t test (Nadeau, Bengio, Machine Learning 2003, https://doi.org/10.1023/A:1024068626366).

    Args:
        folds: Number of inner folds, at least 2.

    Example:
        >>> overlap_factor(2), round(overlap_factor(5), 2)
        (1.0, 3.14)
    """
    correlation = SHARE * (folds - 2) / (folds - 1)
    return (1 + (folds - 1) * correlation) / (1 - correlation)


def decide(gains: Sequence[float], arms: int) -> Decision:
    """Decide by the gains of the last rung.

    Args:
        gains: Mean gain over the baseline of every inner fold, Dice; at least two.
        arms: Number of arms that entered the first rung, among which this one was chosen.

    Raises:
        ValueError: Fewer than two folds.

    Example:
        >>> decide([0.10, 0.14, 0.12, 0.11], arms=1).use
        True
    """
    values = np.asarray(gains, float)
    if len(values) < 2:
        raise ValueError(f"A gain is judged by at least 2 inner folds, found {len(values)}.")
    mean = float(values.mean())
    error = math.sqrt(float(values.var(ddof=1)) / len(values) * overlap_factor(len(values)))
    half = float(stats.t.ppf(1 - ALPHA / arms, len(values) - 1)) * error
    return Decision(mean - half > 0, mean, max(mean - half, -1.0), min(mean + half, 1.0), len(values), arms)


def keep(gains: dict[str, float], number: int) -> list[str]:
    """The arms that go on, in the order in which they came; of equals the first.

    Args:
        gains: Arm → mean gain over the baseline in a rung.
        number: Number of arms that go on.

    Example:
        >>> keep({"a": 0.0, "b": 0.2, "c": 0.1}, 2)
        ['b', 'c']
    """
    best = sorted(gains, key=lambda arm: -gains[arm])[:number]
    return [arm for arm in gains if arm in best]
