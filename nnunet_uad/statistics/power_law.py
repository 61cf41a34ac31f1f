"""A power law through means at several budgets: a − b·n^(−c), or one that begins later: a − b·(n + s)^(−c).

Hestness et al., arXiv 1712.00409; fitted to learning curves by weighted least squares as by Figueroa et al., BMC
Medical Informatics and Decision Making 2012, https://doi.org/10.1186/1472-6947-12-8.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

#: Exponents that are tried: below the first the curve is a logarithm, beyond the last it jumps from budget to budget.
EXPONENTS = np.geomspace(0.02, 3.0, 60)


@dataclass(frozen=True)
class PowerLaws:
    """Curves a − b·(n + s)^(−c), one per fit.

    Attributes:
        asymptote: Score that unlimited labels would bring, a, (fits,); at most 1.
        drop: Factor of what is lacking, b, (fits,); at least 0.
        exponent: Exponent with which that shrinks, c, (fits,).
        shift: Labels by which it begins later, s, (fits,); 0 of a power law.
    """

    asymptote: np.ndarray
    drop: np.ndarray
    exponent: np.ndarray
    shift: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence[PowerLaws]) -> PowerLaws:
        """The curves of several, one after the other.

        Args:
            parts: Curves of each.
        """
        names = ("asymptote", "drop", "exponent", "shift")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def at(self, amount: float) -> np.ndarray:
        """Scores at an amount of labels, (fits,).

        Args:
            amount: Number of labels, above 0.
        """
        return self.asymptote - self.drop * (amount + self.shift) ** -self.exponent

    def needed(self, score: float) -> np.ndarray:
        """Labels that a score needs, (fits,): infinite where the curve stays below it.

        Args:
            score: Score to reach.

        Example:
            >>> curve = PowerLaws(np.array([0.9, 0.8]), np.full(2, 0.4), np.full(2, 0.5), np.zeros(2))
            >>> curve.needed(0.8).round(1).tolist()
            [16.0, inf]
        """
        room = self.asymptote - score
        reached = room > 0
        ratio = self.drop / np.where(reached, room, 1.0)
        with np.errstate(over="ignore"):
            return np.where(reached, np.maximum(ratio ** (1 / self.exponent) - self.shift, 0.0), np.inf)


def fit_power_laws(amounts: np.ndarray, scores: np.ndarray, weights: np.ndarray, shift: float = 0.0) -> PowerLaws:
    """Weighted least squares under a ≤ 1 and b ≥ 0, for many curves at once.

    For a given exponent the problem is linear in a and b, and its constrained optimum known in closed form; so only the
    exponent is searched for (variable projection; Golub and Pereyra, SIAM Journal on Numerical Analysis 1973,
    https://doi.org/10.1137/0710036), over :data:`EXPONENTS`.

    Args:
        amounts: Number of labels of each budget, (budgets,), above 0.
        scores: Scores at each budget, (fits, budgets).
        weights: Weight of each budget, (budgets,): the inverse of a variance.
        shift: Labels by which the curves begin later; 0 for power laws.

    Example:
        >>> curve = fit_power_laws(np.array([1, 4, 16]), np.array([[0.5, 0.7, 0.8]]), np.ones(3))
        >>> float(curve.asymptote[0].round(2)), float(curve.at(64)[0].round(2))
        (0.9, 0.85)
    """
    share = weights / weights.sum()
    mean, square = scores @ share, scores**2 @ share
    best = np.full(len(scores), np.inf)
    found = np.zeros((3, len(scores)))
    for exponent in EXPONENTS:
        shape = (np.asarray(amounts, float) + shift) ** -exponent
        along, shape_mean, shape_square = scores @ (share * shape), share @ shape, share @ shape**2
        drop = np.maximum((mean * shape_mean - along) / (shape_square - shape_mean**2), 0.0)
        asymptote = mean + drop * shape_mean
        # Convex with one bound in the way: the optimum lies on it.
        capped = asymptote > 1
        drop = np.where(capped, np.maximum((shape_mean - along) / shape_square, 0.0), drop)
        asymptote = np.where(capped, 1.0, asymptote)
        error = square - 2 * asymptote * mean + 2 * drop * along + asymptote**2
        error += drop * (drop * shape_square - 2 * asymptote * shape_mean)
        # Of equal fits, as of a flat curve, the first stays.
        better = error < best - 1e-13
        best = np.where(better, error, best)
        found = np.where(better, np.stack([asymptote, drop, np.full(len(scores), exponent)]), found)
    asymptotes, drops, exponents = found
    return PowerLaws(asymptotes, drops, exponents, np.full(len(scores), float(shift)))
