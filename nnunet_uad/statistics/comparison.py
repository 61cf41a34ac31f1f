"""Is a paired difference real? Wilcoxon's signed-rank test, Holm's correction, an effect size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from nnunet_uad.statistics.intervals import Interval, interval
from nnunet_uad.statistics.matrix import ScoreMatrix

ALPHA = 0.05


@dataclass(frozen=True)
class Comparison:
    """An arm against the baseline.

    Attributes:
        difference: Mean of arm − baseline.
        interval: Interval of the difference over cases and trainings.
        p: Two-sided p-value of Wilcoxon's signed-rank test over cases; NaN with fewer than two cases that differ.
        effect: Matched-pairs rank-biserial correlation, −1 to 1: 0 none, 1 every case is better.
        better: Share of cases with a higher score, in [0, 1].
        cases: Number of cases.
        trainings: Number of trainings.
    """

    difference: float
    interval: Interval | None
    p: float
    effect: float
    better: float
    cases: int
    trainings: int


def compare(arm: ScoreMatrix, baseline: ScoreMatrix) -> Comparison | None:
    """Compare on the trainings and cases that both have; ``None`` if there are none.

    The test is taken over cases, whose scores are averaged over trainings first: several trainings on one patient are
    not several patients. It says whether these models differ on other patients; whether other labels would give the
    same is what the interval says.

    Args:
        arm: Scores of the arm.
        baseline: Scores of the baseline.
    """
    difference = arm.minus(baseline)
    if not difference.values.size:
        return None
    values = difference.per_case
    p, effect = wilcoxon(values)
    return Comparison(
        difference=difference.mean,
        interval=interval(difference),
        p=p,
        effect=effect,
        better=float((values > 0).mean()),
        cases=len(difference.cases),
        trainings=len(difference.trainings),
    )


def wilcoxon(differences: np.ndarray) -> tuple[float, float]:
    """Two-sided p (SciPy) and the rank-biserial correlation.

    The latter is (sum of ranks of positive − of negative differences) / sum of all ranks (Kerby, Comprehensive
    Psychology 2014, https://doi.org/10.2466/11.IT.3.1).

    Args:
        differences: Differences (cases,); those that are 0 do not count.

    Example:
        >>> p, effect = wilcoxon(np.array([1.0, 2.0, -3.0, 4.0]))
        >>> round(p, 3), round(effect, 3)
        (0.625, 0.4)
    """
    nonzero = differences[differences != 0]
    if len(nonzero) < 2:
        return float("nan"), float("nan")
    ranks = stats.rankdata(np.abs(nonzero))
    effect = float((ranks * np.sign(nonzero)).sum() / ranks.sum())
    return float(stats.wilcoxon(nonzero).pvalue), effect


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction; NaN stays and does not count.

    Holm, Scandinavian Journal of Statistics 1979, https://www.jstor.org/stable/4615733.

    Args:
        p_values: Values to correct.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, float)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    corrected = np.full(len(p), np.nan)
    steps = p[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(v) for v in corrected]


def is_clear(comparison: Comparison, corrected_p: float) -> bool:
    """Both the interval over cases and trainings and the corrected test say that there is a difference.

    Args:
        comparison: Comparison of an arm with the baseline.
        corrected_p: The p-value, corrected for the number of comparisons (:func:`holm`).
    """
    bounds = comparison.interval
    if bounds is None or not bounds.trainings or np.isnan(corrected_p):
        return False
    return corrected_p < ALPHA and (bounds.low > 0 or bounds.high < 0)
