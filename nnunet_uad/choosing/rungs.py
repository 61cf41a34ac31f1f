"""How many arms, rungs and training steps a time budget has room for; arithmetic, no data.

Successive halving (Jamieson, Talwalkar, AISTATS 2016, https://arxiv.org/abs/1502.07943): every rung trains what is left
for longer and keeps the better half. The baseline is in every rung, and the last rung holds it and one arm.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: Most inner folds; with fewer labelled cases as many as there are.
MOST_FOLDS = 5
#: Trainings per arm and fold: in a rung, in the last one, and there where time is short.
DRAWS, FINAL_DRAWS, FEWEST_DRAWS = 1, 2, 1
#: Steps of fine-tuning in the last rung: fewer than the second make arms go, fewer than the first are refused;
#: nnU-Net's own length is the most.
LEAST, WANTED, MOST = 100, 300, 250_000
#: Steps of a pretraining for every step of fine-tuning, as in our studies.
PRETRAINING = 3


def inner_folds(cases: Sequence[str]) -> list[list[str]]:
    """Test cases of the inner folds: one each for up to five labelled cases, else five folds.

    Args:
        cases: Identifiers of the labelled cases, at least two.

    Example:
        >>> inner_folds(["a", "b", "c", "d", "e", "f"])
        [['a', 'f'], ['b'], ['c'], ['d'], ['e']]
    """
    folds = min(len(cases), MOST_FOLDS)
    return [sorted(cases)[k::folds] for k in range(folds)]


def arms_of_rungs(arms: int) -> list[int]:
    """Numbers of arms besides the baseline, rung by rung; 1 in the last.

    Args:
        arms: Number of arms that enter.

    Example:
        >>> arms_of_rungs(5)
        [5, 3, 2, 1]
    """
    numbers = [arms]
    while numbers[-1] > 1:
        numbers.append(-(-numbers[-1] // 2))
    return numbers


@dataclass(frozen=True)
class Job:
    """How long a training takes.

    Attributes:
        start: Seconds of what does not depend on its length.
        step: Seconds of a step.
    """

    start: float
    step: float

    def seconds(self, steps: float) -> float:
        """Seconds of a training of that many steps.

        Args:
            steps: Number of training steps.
        """
        return self.start + self.step * steps


@dataclass(frozen=True)
class Costs:
    """How long the jobs of a race take.

    Attributes:
        baseline: Name of the arm that is in every rung.
        train: Arm → its training in a fold.
        test: Arm → seconds of the tests in a fold.
        pretrain: Pretraining → a run of it.
        needs: Arm → its pretrainings.
        folds: Number of inner folds.
        pretrainings: Number of runs of every pretraining: one for all folds together, or one for each.
        jobs: Number of jobs that run at once.
    """

    baseline: str
    train: Mapping[str, Job]
    test: Mapping[str, float]
    pretrain: Mapping[str, Job]
    needs: Mapping[str, Sequence[str]]
    folds: int
    pretrainings: int
    jobs: int

    def rung(self, arms: Sequence[str], steps: float, draws: int) -> float:
        """Seconds of a rung on the clock.

        Args:
            arms: Names of the arms besides the baseline.
            steps: Number of steps of fine-tuning.
            draws: Number of trainings per arm and fold.
        """
        names = [self.baseline, *arms]
        needed = dict.fromkeys(name for arm in names for name in self.needs.get(arm, ()))
        stage_one = {name: self.pretrain[name].seconds(PRETRAINING * steps) for name in needed}
        stage_two = {arm: self.train[arm].seconds(steps) + self.test[arm] for arm in names}
        together = self.pretrainings * sum(stage_one.values()) + draws * self.folds * sum(stage_two.values())
        # However many run at once, a training waits for its pretraining.
        chain = max(sum(stage_one[n] for n in self.needs.get(arm, ())) + stage_two[arm] for arm in names)
        return max(together / self.jobs, chain)

    def slower(self, factor: float) -> Costs:
        """The same on a machine that takes longer.

        Args:
            factor: Factor of all durations.
        """
        jobs = {
            kind: {name: Job(job.start * factor, job.step * factor) for name, job in getattr(self, kind).items()}
            for kind in ("train", "pretrain")
        }
        test = {arm: seconds * factor for arm, seconds in self.test.items()}
        return Costs(
            self.baseline, jobs["train"], test, jobs["pretrain"], self.needs, self.folds, self.pretrainings, self.jobs
        )


@dataclass(frozen=True)
class Rung:
    """A study of the race.

    Attributes:
        arms: Number of arms besides the baseline.
        steps: Number of steps of fine-tuning.
        draws: Number of trainings per arm and fold.
    """

    arms: int
    steps: int
    draws: int


def race(arms: int, steps: int, draws: int) -> list[Rung]:
    """The rungs of a race: lengths grow evenly up to the last, which alone may train several times.

    Args:
        arms: Number of arms that enter.
        steps: Number of steps of fine-tuning in the last rung.
        draws: Number of trainings per arm and fold in the last rung.

    Example:
        >>> [(rung.arms, rung.steps) for rung in race(4, 300, 2)]
        [(4, 100), (2, 200), (1, 300)]
    """
    numbers = arms_of_rungs(arms)
    last = len(numbers)
    return [
        Rung(number, max(1, round(steps * k / last)), draws if k == last else DRAWS)
        for k, number in enumerate(numbers, start=1)
    ]


def race_seconds(costs: Costs, arms: Sequence[str], rungs: Sequence[Rung]) -> float:
    """Seconds of rungs on the clock; which arms are left is not known, so the slowest ones are counted.

    Args:
        costs: Durations of the jobs.
        arms: Names of the arms that enter.
        rungs: Rungs to run.
    """
    slowest = sorted(arms, key=lambda arm: -costs.rung([arm], WANTED, DRAWS))
    return sum(costs.rung(slowest[: rung.arms], rung.steps, rung.draws) for rung in rungs)


def longest(costs: Costs, arms: Sequence[str], draws: int, seconds: float, done: int = 0) -> int:
    """The most steps of the last rung that fit; 0 if not even one does.

    Args:
        costs: Durations of the jobs.
        arms: Names of the arms that enter the rungs that are left.
        draws: Number of trainings per arm and fold in the last rung.
        seconds: Seconds that there are.
        done: Number of rungs that are finished.
    """

    def needed(steps: int) -> float:
        """Seconds of what is left, with that many steps in the last rung."""
        left = arms_of_rungs(len(arms))
        whole = [
            Rung(number, max(1, round(steps * (done + k) / (done + len(left)))), draws if k == len(left) else DRAWS)
            for k, number in enumerate(left, start=1)
        ]
        return race_seconds(costs, arms, whole)

    return bisect_right(range(1, MOST + 1), seconds, key=needed)


def plan_race(costs: Costs, arms: Sequence[str], seconds: float) -> tuple[int, list[Rung]]:
    """How many of the arms enter, and the rungs, for a time budget.

    As many arms as leave the last rung :data:`WANTED` steps, the last ones left out first; for one arm a single
    training per fold and :data:`LEAST` steps will do.

    Args:
        costs: Durations of the jobs.
        arms: Names of the arms besides the baseline, the most promising first.
        seconds: Seconds that there are on the clock.

    Returns:
        The number of arms, and the rungs.

    Raises:
        ValueError: Not even one arm fits; says what it would need, and what all would.
    """
    for number in range(len(arms), 0, -1):
        steps = longest(costs, arms[:number], FINAL_DRAWS, seconds)
        if steps >= WANTED:
            return number, race(number, steps, FINAL_DRAWS)
    steps = longest(costs, arms[:1], FEWEST_DRAWS, seconds)
    if steps >= LEAST:
        return 1, race(1, steps, FEWEST_DRAWS)
    least = race_seconds(costs, arms[:1], race(1, LEAST, FEWEST_DRAWS))
    everything = race_seconds(costs, arms, race(len(arms), WANTED, FINAL_DRAWS))
    raise ValueError(
        f"--hours: what is left of them after timing, {math.floor(max(seconds, 0) / 36) / 100:g} h, is too little for "
        f"{arms[0]} alone, once per inner fold with {LEAST} steps: that takes {_enough(least)} h here; all of "
        f"{len(arms)} arm(s), with {WANTED} steps, {_enough(everything)} h. The timing is kept: the same command with "
        f"--hours {_enough(least)} or more goes on from it. Or choose a smaller configuration: nnunet_uad small-plan"
    )


def _enough(seconds: float) -> str:
    """Hours that are enough, in hundredths."""
    return f"{math.ceil(seconds / 36) / 100:g}"
