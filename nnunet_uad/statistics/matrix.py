"""Scores of several trainings on several test cases: the unit that everything else is computed from."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ScoreMatrix:
    """One score per training and test case.

    Attributes:
        trainings: Keys of the trainings: (outer fold, draw).
        cases: Keys of the test cases.
        values: Scores (trainings, cases); NaN where a training was not tested on a case, or the score is undefined.
    """

    trainings: tuple[Hashable, ...]
    cases: tuple[Hashable, ...]
    values: np.ndarray

    @classmethod
    def of(cls, entries: Iterable[tuple[Hashable, Hashable, float | None]]) -> ScoreMatrix:
        """The matrix of single scores.

        Args:
            entries: Training, case and score each; ``None`` and NaN are undefined scores.

        Example:
            >>> ScoreMatrix.of([("a", 1, 0.5), ("a", 2, 0.7), ("b", 1, None)]).values.tolist()
            [[0.5, 0.7]]
        """
        known = [(t, c, v) for t, c, v in entries if v is not None and not np.isnan(v)]
        trainings = tuple(sorted({t for t, _, _ in known}, key=repr))
        cases = tuple(sorted({c for _, c, _ in known}, key=repr))
        rows, columns = ({key: k for k, key in enumerate(keys)} for keys in (trainings, cases))
        values = np.full((len(trainings), len(cases)), np.nan)
        for training, case, value in known:
            values[rows[training], columns[case]] = value
        return cls(trainings, cases, values)

    @property
    def mean(self) -> float:
        """Mean of all scores; NaN if there is none."""
        return float(np.nanmean(self.values)) if self.values.size else float("nan")

    @property
    def per_case(self) -> np.ndarray:
        """Means over trainings, (cases,)."""
        return np.nanmean(self.values, axis=0)

    def restricted(self, trainings: Collection[Hashable]) -> ScoreMatrix:
        """Some of the trainings, with the cases that they were tested on.

        Args:
            trainings: Keys of the trainings to keep.
        """
        rows = [k for k, training in enumerate(self.trainings) if training in trainings]
        values = self.values[rows]
        columns = [int(k) for k in np.flatnonzero(~np.isnan(values).all(0))] if rows else []
        return ScoreMatrix(
            tuple(self.trainings[k] for k in rows), tuple(self.cases[k] for k in columns), values[:, columns]
        )

    def minus(self, other: ScoreMatrix) -> ScoreMatrix:
        """Differences where both have the same training and case.

        Args:
            other: Scores to subtract.
        """
        trainings = tuple(t for t in self.trainings if t in set(other.trainings))
        cases = tuple(c for c in self.cases if c in set(other.cases))
        own, others = (
            m.values[np.ix_([m.trainings.index(t) for t in trainings], [m.cases.index(c) for c in cases])]
            for m in (self, other)
        )
        difference = own - others
        # A training or case that shares nothing with the other arm says nothing about the difference.
        rows, columns = (~np.isnan(difference).all(axis) for axis in (1, 0))
        return ScoreMatrix(
            tuple(t for t, keep in zip(trainings, rows, strict=True) if keep),
            tuple(c for c, keep in zip(cases, columns, strict=True) if keep),
            difference[rows][:, columns],
        )
