"""What more labels would bring: the label-efficiency curve, carried on where it bears it.

A power law (:mod:`nnunet_uad.statistics.power_law`) through the means at the budgets of a study. Its intervals are
those of curves through means that are drawn as other trainings and other cases might give them
(:mod:`nnunet_uad.statistics.joint_means`), half of them power laws that begin later, since nobody knows the form. What
they cannot carry is withheld with a reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from nnunet_uad.metrics.bootstrap import LEVEL
from nnunet_uad.statistics.joint_means import drawn_means, mean_variances
from nnunet_uad.statistics.label_saving import LEAST_TRAININGS
from nnunet_uad.statistics.matrix import ScoreMatrix
from nnunet_uad.statistics.power_law import PowerLaws, fit_power_laws

DRAWS = 1000
TAIL = (1 - LEVEL) / 2
#: Of scores without any spread, so that weights stay finite.
_LEAST_VARIANCE = 1e-12
#: By how many times the largest budget the drawn curves begin later → their share before the means are seen. Of power
#: laws alone the interval seldom holds a curve that is none, one that rises slowly at first.
SHIFTS = {0.0: 1 / 2, 0.1: 1 / 6, 0.3: 1 / 6, 1.0: 1 / 6}
#: A curve of three parameters through fewer points is any curve.
LEAST_BUDGETS = 3
#: Multiple of the largest budget up to which the curve is trusted: as far as intervals were simulated
#: (benchmarks/forecast_truth.py --factors); farther, nobody has looked.
FARTHEST = 5.0
#: Largest useful ratio of the ends of an interval of labels, and largest useful width of one of a gain.
WIDEST_RATIO, WIDEST_GAIN = 5.0, 0.1


class Withheld(Enum):
    """Why something is not forecast."""

    FEW_BUDGETS = "fewer than three budgets in cases"
    FEW_TRAININGS = "fewer than three trainings"
    FEW_CASES = "fewer than two test cases"
    NO_GAIN = "no clear gain"
    ABOVE_ASYMPTOTE = "target above the asymptote"
    TOO_FAR = "too far beyond the largest budget"
    TOO_WIDE = "interval too wide"


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval over cases and trainings.

    Attributes:
        value: Number by the fitted curve.
        low: Lower end of the interval.
        high: Upper end of the interval; infinite where nothing bounds it.
        withheld: Reason for which it is not to be told, if there is one.
    """

    value: float
    low: float
    high: float
    withheld: Withheld | None = None


@dataclass(frozen=True)
class Band:
    """The curve beyond its largest budget, for a figure.

    Attributes:
        amounts: Numbers of labels, (points,).
        scores: Scores by the fitted curve, (points,).
        low: Lower ends of 95 % intervals, (points,).
        high: Upper ends of the intervals, (points,).
    """

    amounts: np.ndarray
    scores: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Forecast:
    """What more labels would bring to an arm.

    Attributes:
        largest: Cases of the largest budget.
        more: Further cases whose gain is forecast.
        withheld: Reason for which nothing is forecast, if there is one.
        gain: Gain of the score by the further cases; ``None`` if nothing is forecast.
        needed: Cases that the target needs; ``None`` if there is no target, or nothing is forecast.
        asymptote: Score that unlimited labels would bring, by the fitted curve; NaN if nothing is forecast.
        band: The curve beyond the largest budget; ``None`` if nothing is forecast.
    """

    largest: float
    more: int
    withheld: Withheld | None = None
    gain: Estimate | None = None
    needed: Estimate | None = None
    asymptote: float = float("nan")
    band: Band | None = None


def forecast(
    amounts: Sequence[float],
    scores: Sequence[ScoreMatrix],
    target: float | None = None,
    draws: int = DRAWS,
    shifts: Mapping[float, float] = SHIFTS,
) -> Forecast:
    """Fit the curve and carry it on.

    Args:
        amounts: Labelled cases of each budget, ascending.
        scores: Scores at each budget; the trainings that all of them have are used.
        target: Score whose need of labels is forecast, if any.
        draws: Number of drawn curves.
        shifts: Multiples of the largest budget by which drawn curves begin later → share of each beforehand.
    """
    largest = float(amounts[-1]) if amounts else 0.0
    more = next_cases(largest)
    common = set.intersection(*(set(m.trainings) for m in scores)) if scores else set()
    matrices = [m.restricted(common) for m in scores]
    lacking = _lacking(amounts, matrices, len(common))
    if lacking:
        return Forecast(largest, more, lacking)
    means = np.clip(drawn_means(matrices, draws), 0.0, 1.0)
    # Through means that hardly rise any curve can be drawn.
    if np.quantile(means[:, -1] - means[:, 0], TAIL) <= 0:
        return Forecast(largest, more, Withheld.NO_GAIN)
    weights = 1 / np.maximum(mean_variances(matrices), _LEAST_VARIANCE)
    own = np.array([[m.mean for m in matrices]])
    curves = _drawn_curves(np.asarray(amounts, float), own, means, weights, shifts)
    return Forecast(
        largest,
        more,
        gain=_gain(curves.at(largest + more) - curves.at(largest)),
        needed=None if target is None else _needed(curves.needed(target), largest),
        asymptote=float(curves.asymptote[0]),
        band=_band(curves, largest),
    )


def next_cases(largest: float) -> int:
    """The next round of labelling: the largest of 1, 2, 5, 10, 20, 50, … that at most doubles the labels.

    Args:
        largest: Cases of the largest budget.

    Example:
        >>> [next_cases(n) for n in (1, 4, 9, 30)]
        [1, 2, 5, 20]
    """
    steps = [digit * 10**power for power in range(8) for digit in (1, 2, 5)]
    return max((step for step in steps if step <= largest), default=1)


def _lacking(amounts: Sequence[float], matrices: Sequence[ScoreMatrix], trainings: int) -> Withheld | None:
    if len(set(amounts)) < LEAST_BUDGETS:
        return Withheld.FEW_BUDGETS
    if trainings < LEAST_TRAININGS:
        return Withheld.FEW_TRAININGS
    return Withheld.FEW_CASES if min(len(m.cases) for m in matrices) < 2 else None


def _drawn_curves(
    amounts: np.ndarray, own: np.ndarray, means: np.ndarray, weights: np.ndarray, shifts: Mapping[float, float]
) -> PowerLaws:
    """The power law through the means themselves, then a curve through each row of drawn ones.

    A form's share of the draws is that before the means were seen, times the likelihood of its best fit.
    """
    later = [factor * amounts[-1] for factor in shifts]
    fits = [fit_power_laws(amounts, own, weights, shift) for shift in later]
    distances = [own[0] - np.array([fit.at(n)[0] for n in amounts]) for fit in fits]
    errors = np.array([weights @ distance**2 for distance in distances])
    shares = np.array(list(shifts.values())) * np.exp(-(errors - errors.min()) / 2)
    ends = np.rint(len(means) * np.cumsum(shares) / shares.sum()).astype(int)
    parts = zip(np.split(means, ends[:-1]), later, strict=True)
    return PowerLaws.joined([fits[0], *(fit_power_laws(amounts, drawn, weights, shift) for drawn, shift in parts)])


def _ends(values: np.ndarray) -> tuple[float, float, float]:
    """The first value, which is the fitted curve's, and the ends of the interval of the others."""
    # Of the values themselves: between a number and infinity nothing can be interpolated.
    low, high = np.quantile(values[1:], [TAIL, 1 - TAIL], method="inverted_cdf")
    return float(values[0]), float(low), float(high)


def _gain(values: np.ndarray) -> Estimate:
    value, low, high = _ends(values)
    return Estimate(value, low, high, Withheld.TOO_WIDE if high - low > WIDEST_GAIN else None)


def _needed(values: np.ndarray, largest: float) -> Estimate:
    value, low, high = _ends(values)
    withheld = None
    if np.isinf(value):
        withheld = Withheld.ABOVE_ASYMPTOTE
    elif high > FARTHEST * largest:
        withheld = Withheld.TOO_FAR
    elif high > WIDEST_RATIO * max(low, 1.0):
        withheld = Withheld.TOO_WIDE
    return Estimate(value, low, high, withheld)


def _band(curves: PowerLaws, largest: float) -> Band:
    amounts = np.geomspace(largest, FARTHEST * largest, 40)
    scores = np.array([curves.at(n) for n in amounts])
    low, high = np.clip(np.quantile(scores[:, 1:], [TAIL, 1 - TAIL], axis=1), 0.0, 1.0)
    return Band(amounts, scores[:, 0], low, high)
