"""Do the report's intervals hold the truth, and its tests their level? 1,000 synthetic studies per line.

    python benchmarks/statistics_truth.py

Scores have a mean of 0.7, skewed effects of cases (standard deviation 0.1), effects of trainings (the luck of a draw of
labels and of random weights) and a rest of 0.03. Arms have the mean of the baseline and luck of their own.
"""

from __future__ import annotations

import argparse
import statistics
from typing import TypeVar

import numpy as np

from nnunet_uad.statistics.comparison import compare, holm, is_clear
from nnunet_uad.statistics.intervals import case_interval, interval
from nnunet_uad.statistics.matrix import ScoreMatrix

MEAN, CASE_SD, REST_SD = 0.7, 0.1, 0.03
#: Trainings, cases, standard deviation between trainings.
SHAPES = ((3, 40, 0.0), (3, 40, 0.03), (3, 50, 0.08), (5, 40, 0.03), (10, 40, 0.05), (3, 20, 0.03), (3, 8, 0.03))
ARMS = 4
Result = TypeVar("Result")


def _present(result: Result | None) -> Result:
    """The interval or comparison; too few trainings or cases for one would spoil the simulation."""
    if result is None:
        raise ValueError("A simulated study is too small for an interval or a test.")
    return result


def scores(rng: np.random.Generator, trainings: int, cases: int, luck: float) -> ScoreMatrix:
    """One arm of one study; few cases are much worse than the others, as with Dice."""
    skewed = 2.0 * (1 - rng.gamma(4.0, 1.0, cases) / 4.0)
    values = MEAN + luck * rng.standard_normal((trainings, 1)) + CASE_SD * skewed
    return matrix(values + REST_SD * rng.standard_normal((trainings, cases)))


def matrix(values: np.ndarray) -> ScoreMatrix:
    """The matrix of a study with one outer fold, of scores (trainings, cases)."""
    return ScoreMatrix(tuple(range(len(values))), tuple(range(values.shape[1])), values)


def coverage(studies: int, trainings: int, cases: int, luck: float) -> tuple[float, float, float]:
    """Shares of intervals that hold the truth: over cases and trainings, over cases only; mean width of the former."""
    rng = np.random.default_rng(0)
    both = by_cases = width = 0.0
    for _ in range(studies):
        over_both = _present(interval(scores(rng, trainings, cases, luck)))
        both += over_both.low <= MEAN <= over_both.high
        width += over_both.high - over_both.low
        # With trainings as they are, their luck belongs to the truth.
        over_cases = _present(case_interval(scores(rng, trainings, cases, 0.0)))
        by_cases += over_cases.low <= MEAN <= over_cases.high
    return both / studies, by_cases / studies, width / studies


def false_positives(studies: int, trainings: int, cases: int, luck: float) -> tuple[float, float, float, float]:
    """Shares of p < 0.05, of studies with a corrected p < 0.05, of comparisons and of studies called clear."""
    rng = np.random.default_rng(1)
    plain = family = clear = clear_family = 0.0
    for _ in range(studies):
        base = scores(rng, trainings, cases, luck)
        comparisons = []
        for _ in range(ARMS):
            own = luck * rng.standard_normal((trainings, 1)) + 0.02 * rng.standard_normal((1, cases))
            arm = matrix(base.values + own + REST_SD * rng.standard_normal((trainings, cases)))
            comparisons.append(_present(compare(arm, base)))
        corrected = holm([c.p for c in comparisons])
        verdicts = [is_clear(c, p) for c, p in zip(comparisons, corrected, strict=True)]
        plain += statistics.fmean([c.p < 0.05 for c in comparisons])
        family += min(corrected) < 0.05
        clear += statistics.fmean(verdicts)
        clear_family += any(verdicts)
    return plain / studies, family / studies, clear / studies, clear_family / studies


def main() -> None:
    """Simulate the studies of every shape and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=1000)
    studies = parser.parse_args().studies
    columns = ("trainings", "cases", "luck", "held, cases and trainings", "held, cases", "p < 0.05", "Holm, any of 4")
    print(f"| {' | '.join((*columns, 'clear', 'clear, any of 4'))} |")
    print("|---" * 9 + "|")
    total: list[tuple[float, float]] = []
    for shape in SHAPES:
        held, by_cases, _ = coverage(studies, *shape)
        wrong = false_positives(studies, *shape)
        total.append((held, by_cases))
        cells = [f"{v:.1%}" for v in (held, by_cases, *wrong)]
        print(f"| {shape[0]} | {shape[1]} | {shape[2]} | {' | '.join(cells)} |", flush=True)
    means = np.mean(total, axis=0)
    print(f"all lines: {means[0]:.1%} and {means[1]:.1%}")


if __name__ == "__main__":
    main()
