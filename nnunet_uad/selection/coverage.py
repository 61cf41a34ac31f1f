"""What to label next: whatever brings the unlabelled scans nearest to a labelled one, again and again.

Typical and different at once: a scan that many others resemble covers many, and what resembles a labelled one covers
nobody. This is the greedy k-medoids of the facility-location problem (Nemhauser et al., Mathematical Programming 1978,
https://doi.org/10.1007/BF01588971); what it is used for is TypiClust's (Hacohen et al., ICML 2022,
https://arxiv.org/abs/2202.02794): with few labels typical cases teach more than unusual ones. It needs no seed, and the
first choices of many are those of few.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Choice:
    """A unit that was chosen, and why.

    Attributes:
        unit: Index of the unit.
        covers: Number of units still unlabelled, itself included, that it is nearer to than anything labelled or
            chosen before.
        gain: Share by which the mean distance to the nearest labelled or chosen unit falls, of what it was before any
            was chosen.
        distance: Distance to the nearest labelled or chosen unit, ``None`` where there was none.
    """

    unit: int
    covers: int
    gain: float
    distance: float | None


def standardised(descriptors: np.ndarray) -> np.ndarray:
    """Descriptors whose every entry has mean 0 and variance 1 over the units; a constant one becomes 0.

    Args:
        descriptors: Descriptors (units, entries).
    """
    centred = descriptors - descriptors.mean(axis=0)
    spread = centred.std(axis=0)
    # What differs by rounding alone is constant.
    constant = spread <= 1e-6 * np.maximum(np.abs(descriptors).max(axis=0), 1e-12)
    return np.where(constant, 0.0, centred / np.where(constant, 1.0, spread))


def distances(points: np.ndarray) -> np.ndarray:
    """Distances (units, units) of standardised descriptors: 1.4 between two that have nothing in common.

    Args:
        points: Descriptors (units, entries), of :func:`standardised`.
    """
    squares = (points**2).sum(axis=1)
    squared = squares[:, None] + squares[None] - 2 * points @ points.T
    found = np.sqrt(np.maximum(squared, 0) / max(1, points.shape[1]))
    np.fill_diagonal(found, 0)
    return found


def choose(apart: np.ndarray, labelled: Sequence[int], merits: np.ndarray, count: int) -> list[Choice]:
    """The units to label next, the most useful first.

    Args:
        apart: Distances (units, units).
        labelled: Indices of the units that are labelled, which count as covered.
        merits: Factor (units,), above 0, by which what a unit covers counts: more for unusual ones.
        count: Number of units; fewer where fewer are unlabelled.
    """
    done = np.zeros(len(apart), bool)
    done[list(labelled)] = True
    # Without anything labelled all are equally far from it: the first choice is the most typical.
    nearest = apart[:, done].min(axis=1) if done.any() else np.full(len(apart), apart.max(initial=0.0) or 1.0)
    start = max(float(nearest[~done].mean()), 1e-12) if (~done).any() else 1.0
    choices: list[Choice] = []
    while len(choices) < count and not done.all():
        closer = np.maximum(nearest[:, None] - apart, 0) * ~done[:, None]
        # What nobody is nearer to is still chosen in the end, by its merit: copies of what is labelled come last.
        scores = np.where(done, -np.inf, (closer.sum(axis=0) + 1e-9) * merits)
        unit = int(np.argmax(scores))
        known = done.any()
        gain = float(closer[:, unit].sum()) / max(1, int((~done).sum())) / start
        covers = int((closer[:, unit] > 0).sum())
        choices.append(Choice(unit, max(covers, 1), gain, float(nearest[unit]) if known else None))
        done[unit] = True
        nearest = np.minimum(nearest, apart[:, unit])
    return choices


def percentiles(values: np.ndarray) -> np.ndarray:
    """Share of the other units that a value is above, ties halved: 0 for the lowest, 1 for the highest, 0.5 alone.

    Args:
        values: Values (units,); NaN, nobody knows, is 0.5.
    """
    known = np.isfinite(values)
    result = np.full(len(values), 0.5)
    given = values[known]
    if len(given) > 1:
        below = (given[:, None] > given[None]).sum(axis=1) + 0.5 * ((given[:, None] == given[None]).sum(axis=1) - 1)
        result[known] = below / (len(given) - 1)
    return result


def merits(shares: Sequence[tuple[np.ndarray, float]]) -> np.ndarray:
    """Factor (units,) of :func:`choose`: 1 for what is least unusual, times 1 + weight for what is most.

    Args:
        shares: Percentiles (units,) and their weights: 0 leaves them out.
    """
    return np.prod([1 + weight * share for share, weight in shares], axis=0)
