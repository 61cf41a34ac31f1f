"""Two intervals of a mean: over cases with the trainings as they are, and over cases and trainings.

A mean over test cases differs from study to study because other patients are tested and because other labels are
drawn and other weights learnt. The first interval asks how these models do on other patients, the second how the
method does with other labels, too. Only the second can carry a conclusion about a method.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from nnunet_uad.metrics.bootstrap import LEVEL, resamples
from nnunet_uad.statistics.matrix import ScoreMatrix

DRAWS = 2000
PIVOTS = 4000


@dataclass(frozen=True)
class Interval:
    """A 95 % interval.

    Attributes:
        low: Lower end of the interval.
        high: Upper end of the interval.
        trainings: Whether it covers how trainings differ; with a single training nothing is known about that.
        cases: Whether it covers how cases differ.
    """

    low: float
    high: float
    trainings: bool = True
    cases: bool = True


def case_interval(scores: ScoreMatrix, draws: int = DRAWS, seed: int = 0) -> Interval | None:
    """Bootstrap over cases within trainings: a case is drawn with its scores of all trainings.

    The percentiles are expanded for small numbers of cases (Hesterberg, The American Statistician 2015, section 5.3,
    https://doi.org/10.1080/00031305.2015.1089789): without it 20 cases give intervals that are too short.

    Args:
        scores: Scores of trainings and cases.
        draws: Number of resamples.
        seed: Seed of the resamples.

    Returns:
        The interval; ``None`` for fewer than two cases.
    """
    values = scores.per_case
    count = len(values)
    if count < 2:
        return None
    # Cases that more trainings were tested on count as often in the mean.
    weight = (~np.isnan(scores.values)).sum(0)
    picked = resamples(count, draws, seed) * weight
    means = picked @ values / picked.sum(1)
    tail = stats.norm.cdf(stats.t.ppf((1 - LEVEL) / 2, count - 1) * np.sqrt(count / (count - 1)))
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(low), float(high), trainings=False)


@dataclass(frozen=True)
class Components:
    """Where the variance of single scores comes from.

    Attributes:
        training: Variance between trainings.
        case: Variance between cases.
        rest: Variance between single scores, once training and case are known.
    """

    training: float
    case: float
    rest: float


@dataclass(frozen=True)
class MeanVariance:
    """Variance of a mean as a sum, each part with the degrees of freedom of its estimate.

    Attributes:
        by_training: Contribution of trainings, their share of the rest included.
        by_case: Contribution of cases, in the same way; 0 where it is in ``by_training`` already.
        rest: Contribution that is counted twice above and subtracted once.
        freedoms: Degrees of freedom of the three.
        trainings: Whether the variation between trainings is covered.
        cases: Whether the variation between cases is covered.
    """

    by_training: float
    by_case: float
    rest: float
    freedoms: tuple[int, int, int]
    trainings: bool
    cases: bool

    @property
    def total(self) -> float:
        """The variance of the mean."""
        return max(self.by_training + self.by_case - self.rest, 0.0)

    def half_width(self) -> float:
        """Half the width of the 95 % interval: Student's for one part, the generalised interval for three.

        Generalised interval (Weerahandi, JASA 1993, https://doi.org/10.1080/01621459.1993.10476355): each part's
        estimate is divided by draws of χ²/df, its own sampling distribution, and a normal variable is scaled by the
        root of the sum. Few trainings that may or may not differ make it wide; an approximation by one number of
        degrees of freedom (Satterthwaite) is too short then.
        """
        if not self.by_case:
            return float(stats.t.ppf((1 + LEVEL) / 2, self.freedoms[0]) * np.sqrt(self.total))
        rng = np.random.default_rng(0)
        parts = (self.by_training, self.by_case, -self.rest)
        drawn = sum(part * df / rng.chisquare(df, PIVOTS) for part, df in zip(parts, self.freedoms, strict=True))
        spread = np.abs(rng.standard_normal(PIVOTS)) * np.sqrt(np.maximum(drawn, 0.0))
        return float(np.quantile(spread, LEVEL))


def interval(scores: ScoreMatrix) -> Interval | None:
    """Interval of the mean over cases and trainings, both taken as random samples.

    Model: score = mean + training + case + rest. The three variances are estimated from the mean squared differences
    of pairs of scores that share the case, the training, or neither (symmetric sums; Koch, Technometrics, 1967), which
    needs no balance; the variance of the mean follows.

    Args:
        scores: Scores of trainings and cases.

    Returns:
        The interval, with what it covers; ``None`` for a single score.
    """
    variance = mean_variance(scores.values)
    if variance is None:
        return None
    half = variance.half_width()
    return Interval(scores.mean - half, scores.mean + half, variance.trainings, variance.cases)


def mean_variance(values: np.ndarray) -> MeanVariance | None:
    """Where the variance of the mean comes from; ``None`` for a single score.

    Args:
        values: Scores (trainings, cases), NaN where there is none.
    """
    known = ~np.isnan(values)
    per_training, per_case = known.sum(1), known.sum(0)
    total = int(known.sum())
    rows, columns = int((per_training > 0).sum()), int((per_case > 0).sum())
    if total < 2:
        return None
    same_case, same_training, neither = pair_variances(values)
    if rows == 1 or columns == 1:
        # All scores share the training, or all the case: what the one varies is not known of the other.
        variance = (same_training if rows == 1 else same_case) / total
        return MeanVariance(variance, 0.0, 0.0, (total - 1, 1, 1), rows > 1, columns > 1)
    share_of_training, share_of_case = (float((n**2).sum()) / total**2 for n in (per_training, per_case))
    if np.isnan(same_case):
        # Every case was tested by one training (outer folds, one draw): cases are nested, trainings hold all variation.
        within = neither if np.isnan(same_training) else same_training
        variance = max(neither - within, 0.0) * share_of_training + within / total
        return MeanVariance(variance, 0.0, 0.0, (rows - 1, 1, 1), True, True)
    parts = components(same_case, same_training, neither)
    rest = parts.rest / total
    return MeanVariance(
        by_training=parts.training * share_of_training + rest,
        by_case=parts.case * share_of_case + rest,
        rest=rest,
        freedoms=(rows - 1, columns - 1, max(total - rows - columns + 1, 1)),
        trainings=True,
        cases=True,
    )


def pair_variances(values: np.ndarray) -> tuple[float, float, float]:
    """Half the mean squared difference of two scores of the same case, the same training, or neither.

    Args:
        values: Scores (trainings, cases), NaN where there is none.

    Returns:
        The three; NaN where there is no such pair.
    """
    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0)

    def sums(axis: int | None) -> tuple[float, float]:
        """Σ over ordered pairs within groups of half their squared difference, and the number of pairs."""
        count = known.sum(axis)
        squares = count * (filled**2).sum(axis) - filled.sum(axis) ** 2
        return float(np.sum(squares)), float(np.sum(count * (count - 1)))

    all_pairs, case_pairs, training_pairs = sums(None), sums(0), sums(1)
    rest = tuple(all_pairs[k] - case_pairs[k] - training_pairs[k] for k in (0, 1))
    same_case, same_training, neither = (
        max(total, 0.0) / count if count else float("nan") for total, count in (case_pairs, training_pairs, rest)
    )
    return same_case, same_training, neither


def components(same_case: float, same_training: float, neither: float) -> Components:
    """Variance components from :func:`pair_variances`; negative estimates are 0.

    Args:
        same_case: Half the mean squared difference of scores of the same case.
        same_training: The same of scores of the same training.
        neither: The same of scores that share neither.
    """
    if np.isnan(neither):
        neither = max(same_case, same_training)
    return Components(
        training=max(neither - same_training, 0.0),
        case=max(neither - same_case, 0.0),
        rest=max(same_case + same_training - neither, 0.0),
    )
