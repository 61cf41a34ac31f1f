"""How often does ``nnunet_uad choose`` say "use X" where nothing differs, and how often where something does?

    python benchmarks/choose_truth.py

Races are simulated from the first rung to the verdict, with :mod:`nnunet_uad.choosing.rule`. The score of a case is

    gain of the arm + arm x case + arm x training cases + luck of the training + rest,

each of it of an arm's own, so that differences to the baseline share the baseline's luck. Standard deviations of the
differences are estimated from the rows of two studies (``benchmarks/studies``): variance components of paired
differences to training from scratch. What of the luck of a training and of the rest belongs to the training cases, and
so comes back in the next rung, is not known; half of it does, and all of it in the line "worst". Effects of cases are
skewed, as Dice is.
"""

from __future__ import annotations

import argparse
import csv
import statistics
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from scipy import stats

from nnunet_uad.choosing.rule import ALPHA, decide, keep
from nnunet_uad.choosing.rungs import FINAL_DRAWS, arms_of_rungs, inner_folds
from nnunet_uad.statistics.intervals import components, pair_variances
from nnunet_uad.statistics.matrix import ScoreMatrix

STUDIES = Path(__file__).resolve().parent / "studies"
CASES, ARMS = (2, 3, 5, 10), (1, 2, 3, 4, 8)
#: Study's rows, labelled cases, arm that gained.
SOURCES = {
    "glioma, 1 patient": ("lgg", "1", "DAE + lesion bank"),
    "glioma, 5 patients": ("lgg", "5", "DAE + lesion bank"),
    "hippocampus, 1 case": ("hippocampus", "1", "DAE"),
    "hippocampus, 3 cases": ("hippocampus", "3", "DAE"),
}
#: Share of the luck that belongs to the training cases and comes back.
PERSISTS, WORST = 0.5, 1.0


@dataclass(frozen=True)
class Noise:
    """Standard deviations of the difference of an arm to the baseline, Dice.

    Attributes:
        training: Of the luck of a training.
        case: Of cases.
        rest: Of single scores.
        gain: Mean difference of the arm that gained.
    """

    training: float
    case: float
    rest: float
    gain: float


def measured(file: str, budget: str, arm: str) -> Noise:
    """Standard deviations by the rows of a study: root mean squares over its arms; the gain of one of them."""
    scores = defaultdict(list)
    with (STUDIES / f"{file}.csv").open(newline="", encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            if row["budget"] == budget and row["dice"]:
                scores[row["trainer"]].append(((row["fold"], row["draw"]), row["case"], float(row["dice"])))
    matrices = {name: ScoreMatrix.of(entries) for name, entries in scores.items()}
    differences = {
        name: m.minus(matrices["scratch"]) for name, m in matrices.items() if name not in ("scratch", "stock")
    }
    parts = [components(*pair_variances(d.values)) for d in differences.values()]
    training, case, rest = (
        statistics.fmean(getattr(p, key) for p in parts) ** 0.5 for key in ("training", "case", "rest")
    )
    return Noise(training, case, rest, differences[arm].mean)


@cache
def quantile(freedom: int) -> float:
    """Quantile of Student's t that a single arm's gain would have to exceed."""
    return float(stats.t.ppf(1 - ALPHA, freedom))


def race(
    rng: np.random.Generator, cases: int, arms: int, noise: Noise, persists: float, gain: float
) -> tuple[bool, bool]:
    """Simulate one choice; whether it says "use X", and whether Student's t alone would, without the corrections."""
    folds = inner_folds([str(k) for k in range(cases)])
    fold_of = np.array([next(k for k, fold in enumerate(folds) if str(c) in fold) for c in range(cases)])
    # The baseline and each arm have half of the variance of their difference.
    own, shape = 0.5**0.5, (arms + 1, cases)
    lasting = noise.case * 2.0 * (1 - rng.gamma(4.0, 1.0, shape) / 4.0)
    lasting += noise.rest * persists**0.5 * rng.standard_normal(shape)
    by_training_case = noise.training * persists**0.5 * rng.standard_normal(shape)
    for k in range(len(folds)):
        trained = by_training_case[:, fold_of != k]
        lasting[:, fold_of == k] += (trained.sum(1) / trained.shape[1] ** 0.5)[:, None]
    lasting[1:2] += gain / own

    def scores(draws: int) -> np.ndarray:
        """Scores of a rung with new trainings, (arms, folds)."""
        luck = noise.training * rng.standard_normal((arms + 1, len(folds), draws)).mean(2)[:, fold_of]
        rest = noise.rest * rng.standard_normal((*shape, draws)).mean(2)
        values = own * (lasting + (1 - persists) ** 0.5 * (luck + rest))
        return np.stack([values[:, fold_of == k].mean(1) for k in range(len(folds))], axis=1)

    names, rungs = [str(k) for k in range(1, arms + 1)], arms_of_rungs(arms)
    for following in rungs[1:]:
        found = scores(1).mean(1)
        names = keep({name: float(found[int(name)] - found[0]) for name in names}, following)
    final = scores(FINAL_DRAWS)
    gains = final[int(names[0])] - final[0]
    plain = gains.mean() > quantile(len(gains) - 1) * (gains.var(ddof=1) / len(gains)) ** 0.5
    return decide([float(v) for v in gains], arms).use, bool(plain)


def share(races: int, seed: int, cases: int, arms: int, noise: Noise, persists: float, gain: float) -> np.ndarray:
    """Shares of races that end with "use X": by the rule, and without its corrections."""
    rng = np.random.default_rng(seed)
    return np.mean([race(rng, cases, arms, noise, persists, gain) for _ in range(races)], axis=0)


def main() -> None:
    """Simulate every number of cases and arms and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--races", type=int, default=2000)
    races = parser.parse_args().races
    noises = {name: measured(*source) for name, source in SOURCES.items()}
    for name, noise in noises.items():
        parts = f"training {noise.training:.3f}, case {noise.case:.3f}, rest {noise.rest:.3f}"
        print(f"{name}: {parts}; gain {noise.gain:.3f}")
    header = ["labelled cases", "arms", "wrong", "worst", "worst, uncorrected", *(f"found: {name}" for name in noises)]
    print(f"\n| {' | '.join(header)} |\n{'|---' * len(header)}|", flush=True)
    for cases in CASES:
        for arms in ARMS:
            wrong, worst = (
                np.max([share(races, 0, cases, arms, noise, persists, 0.0) for noise in noises.values()], axis=0)
                for persists in (PERSISTS, WORST)
            )
            found = [share(races, 1, cases, arms, noise, PERSISTS, noise.gain)[0] for noise in noises.values()]
            print(f"| {cases} | {arms} | {' | '.join(f'{v:.1%}' for v in (wrong[0], *worst, *found))} |", flush=True)


if __name__ == "__main__":
    main()
