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
        difference: mean of arm − baseline.
        interval: over cases and trainings.
        p: two-sided, Wilcoxon signed-rank over cases; NaN with fewer than two cases that differ.
        effect: matched-pairs rank-biserial correlation, −1 to 1: 0 none, 1 every case is better.
        better: share of cases with a higher score.
        cases: their number.
        trainings: their number.
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
    """Two-sided p (SciPy) and the rank-biserial correlation (Kerby, Comprehensive Psychology 2014).

    The latter is (sum of ranks of positive − of negative differences) / sum of all ranks.
    """
    nonzero = differences[differences != 0]
    if len(nonzero) < 2:
        return float("nan"), float("nan")
    ranks = stats.rankdata(np.abs(nonzero))
    effect = float((ranks * np.sign(nonzero)).sum() / ranks.sum())
    return float(stats.wilcoxon(nonzero).pvalue), effect


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction (Scandinavian Journal of Statistics 1979); NaN stays and does not count."""
    p = np.asarray(p_values, float)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    corrected = np.full(len(p), np.nan)
    steps = p[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(v) for v in corrected]


def is_clear(comparison: Comparison, corrected_p: float) -> bool:
    """Both the interval over cases and trainings and the corrected test say that there is a difference."""
    found = comparison.interval
    if found is None or not found.trainings or np.isnan(corrected_p):
        return False
    return corrected_p < ALPHA and (found.low > 0 or found.high < 0)
