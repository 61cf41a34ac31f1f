"""How far from the cohort is too far: limits of each check and of all together, with a false-alarm rate that is known.

Every training scan is judged by the others, as a new scan will be by all of them. A check's score is the largest
distance of its numbers from the others' median, in robust standard deviations. Checks of many numbers have larger
scores than those of one, so they are made comparable by the middle of their own distribution, which one strange scan
does not move; the extremes would hide the very scans that set them. A limit is the quantile of the training scans'
scores that a new scan like them exceeds at most at the wanted rate, whatever the distribution (conformal prediction:
Vovk et al., Algorithmic Learning in a Random World, 2005, DOI 10.1007/b106715; leaving one out makes it approximate):
one for each check by itself, and one for the largest score of all checks, so that many checks cost no more false
alarms than one. That probability is a mean over cohorts; a cohort's own may be larger (:func:`most_called`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from nnunet_uad.quality.descriptors import BOTH, HIGH, LOW, descriptor

#: A median's spread over this is a normal distribution's standard deviation.
_MAD = 1.4826
#: Distances of a check that hardly differ count as spread by this much, robust standard deviations.
_LEAST_SPREAD = 0.5
#: With more scans, one more or less does not move the median.
_MANY = 300


@dataclass(frozen=True)
class Calibration:
    """Limits of the checks.

    Attributes:
        names: Names of the numbers, D.
        middle: Median (D,) of the training scans.
        scale: Robust standard deviation (D,) of the training scans.
        usual: Median of each check's distances, and how far above it the fifth-largest of 25 lies.
        own: Limit of each check alone, as a score.
        joint: Limit of the largest score of all checks.
        rate: Share of scans like the training's that is called unfit at most: the wanted one, or what so few training
            scans can promise.
    """

    names: tuple[str, ...]
    middle: np.ndarray
    scale: np.ndarray
    usual: Mapping[str, tuple[float, float]]
    own: Mapping[str, float]
    joint: float
    rate: float

    @classmethod
    def of(cls, names: Sequence[str], values: np.ndarray, rate: float) -> Calibration:
        """Calibrate on training scans.

        Args:
            names: Names of the numbers, D.
            values: Numbers (N, D) of the training scans, at least two.
            rate: Wanted share of false alarms.
        """
        distances = leaving_one_out(names, values)
        usual = {check: _usual(own) for check, own in distances.items()}
        scores = {check: (own - usual[check][0]) / usual[check][1] for check, own in distances.items()}
        joint, promised = conformal_limit(np.max(list(scores.values()), axis=0), rate)
        own = {check: conformal_limit(found, rate)[0] for check, found in scores.items()}
        return cls(tuple(names), *location_and_scale(names, values), usual, own, joint, promised)

    def distances(self, values: np.ndarray) -> np.ndarray:
        """Distances (D,) from the training scans in the suspicious direction, robust standard deviations.

        Args:
            values: Numbers (D,) of a new scan.
        """
        return sided(self.names, (values - self.middle) / self.scale)

    def score(self, check: str, distance: float) -> float:
        """Score of a check: 0 is common, :attr:`own` its limit alone, :attr:`joint` that of all together.

        Args:
            check: Name of the check.
            distance: Largest distance of its numbers.
        """
        middle, spread = self.usual[check]
        return (distance - middle) / spread

    def reach(self, check: str) -> float:
        """Distance from which on a check makes a scan unfit, robust standard deviations.

        Args:
            check: Name of the check.
        """
        middle, spread = self.usual[check]
        return middle + self.joint * spread

    def range_of(self, name: str) -> tuple[float, float]:
        """Values of a number, low and high, that alone would not make a scan unfit; infinite where an end is free.

        Args:
            name: Name of the number.
        """
        row, index = descriptor(name), self.names.index(name)
        reach = self.reach(row.check) * self.scale[index]
        low = -math.inf if row.suspicious == HIGH else float(self.middle[index] - reach)
        return low, math.inf if row.suspicious == LOW else float(self.middle[index] + reach)


def _usual(distances: np.ndarray) -> tuple[float, float]:
    """Median of distances, and how far above it the fifth-largest of 25 lies; at least half a standard deviation."""
    middle, high = np.quantile(distances, (0.5, 0.8))
    return float(middle), float(max(high - middle, _LEAST_SPREAD))


def leaving_one_out(names: Sequence[str], values: np.ndarray) -> dict[str, np.ndarray]:
    """Scores (N,) of each check of training scans, each judged by the others.

    Args:
        names: Names of the numbers, D.
        values: Numbers (N, D) of the training scans, at least two.
    """
    if len(values) > _MANY:
        middle, scale = location_and_scale(names, values)
        distances = sided(names, (values - middle) / scale)
    else:
        rows = []
        for index in range(len(values)):
            middle, scale = location_and_scale(names, np.delete(values, index, axis=0))
            rows.append(sided(names, (values[index] - middle) / scale))
        distances = np.stack(rows)
    return {check: distances[:, columns].max(1) for check, columns in columns_of(names).items()}


def location_and_scale(names: Sequence[str], values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median (D,) and robust standard deviation (D,) of scans; the latter at least the descriptor's floor.

    Args:
        names: Names of the numbers, D.
        values: Numbers (N, D) of scans.
    """
    middle = np.median(values, axis=0)
    spread = _MAD * np.median(np.abs(values - middle), axis=0)
    return middle, np.maximum(spread, [descriptor(name).floor for name in names])


def sided(names: Sequence[str], distances: np.ndarray) -> np.ndarray:
    """Distances in the suspicious direction alone.

    Args:
        names: Names of the numbers, D.
        distances: Signed distances (N, D) or (D,) from the median.
    """
    result = np.abs(distances)
    for index, name in enumerate(names):
        kind = descriptor(name).suspicious
        if kind != BOTH:
            result[..., index] = distances[..., index] * (1 if kind == HIGH else -1)
    return result


def columns_of(names: Sequence[str]) -> dict[str, list[int]]:
    """Indices of the numbers of each check.

    Args:
        names: Names of the numbers.
    """
    columns: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        columns.setdefault(descriptor(name).check, []).append(index)
    return columns


def conformal_limit(scores: np.ndarray, rate: float) -> tuple[float, float]:
    """The limit that a new scan like these exceeds with at most a wanted probability, and what is promised.

    Args:
        scores: Scores (N,) of scans, the higher the stranger.
        rate: Wanted probability.

    Returns:
        The limit, and the probability: the wanted one, or 1 / (N + 1) where so few scans cannot promise it.

    Example:
        >>> conformal_limit(np.arange(1.0, 40.0), 0.05)
        (38.0, 0.05)
        >>> conformal_limit(np.arange(1.0, 5.0), 0.05)
        (4.0, 0.2)
    """
    ordered, count = np.sort(scores), len(scores)
    place = _place(count, rate)
    return float(ordered[place - 1]), rate if place == _wanted_place(count, rate) else 1 / (count + 1)


def most_called(count: int, rate: float, confidence: float) -> float:
    """The share above the limit that these very scans set, at most with a confidence.

    The promise is a mean over cohorts. The limit is drawn with the cohort: of scans like them, the share above the k-th
    of N is Beta distributed, with N + 1 − k and k (Vovk, Machine Learning 2013, DOI 10.1007/s10994-013-5355-6).

    Args:
        count: Number N of scans that set the limit.
        rate: Wanted probability, as :func:`conformal_limit` takes it.
        confidence: Probability that the share is no larger.

    Example:
        >>> round(most_called(40, 0.05, 0.95), 3), round(most_called(400, 0.05, 0.95), 3)
        (0.113, 0.069)
    """
    place = _place(count, rate)
    return float(stats.beta.ppf(confidence, count + 1 - place, place))


def _place(count: int, rate: float) -> int:
    """Place of the limit among N ordered scores, from 1; the last where so few cannot promise the rate."""
    return min(_wanted_place(count, rate), count)


def _wanted_place(count: int, rate: float) -> int:
    # Rounded: (39 + 1) · (1 − 0.05) is 38.000000000000007 to the machine.
    return math.ceil(round((count + 1) * (1 - rate), 9))


def refuse_fold_all(folds: Sequence[Path], flag: str) -> None:
    """Refuse a fold whose validation says nothing of new scans.

    Args:
        folds: Folders of the folds.
        flag: Name of the flag that chooses them.

    Raises:
        ValueError: Fold ``all`` is among them.
    """
    if any(fold.name == "fold_all" for fold in folds):
        raise ValueError(
            f"{flag} expects numbered folds, found all in {folds[0].parent}: it was trained with its validation cases, "
            f"which say nothing of new scans. Train numbered folds and name them: {flag} 0 1 2 3 4"
        )
