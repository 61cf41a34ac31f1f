"""What a rung measured: how long its jobs take, and what its arms gain."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import numpy as np

from nnunet_uad.choosing.arms import BASELINE
from nnunet_uad.choosing.rungs import Costs, Job
from nnunet_uad.common.json_files import read_mapping
from nnunet_uad.report.collect import Training, collect
from nnunet_uad.study.forms import TimingForm
from nnunet_uad.study.layout import Layout
from nnunet_uad.study.planning.hours import START
from nnunet_uad.study.planning.pretrainings import SHARED


@dataclass(frozen=True)
class Outcome:
    """What a rung found.

    Attributes:
        gains: Arm → inner fold → mean gain over the baseline, Dice.
        scores: Arm, the baseline included → mean Dice.
        seconds: Seconds of computing, of all jobs together.
    """

    gains: dict[str, dict[str, float]]
    scores: dict[str, float]
    seconds: float

    def mean(self, arm: str) -> float:
        """Mean gain of an arm over the folds, Dice; −1 where no fold says anything.

        Args:
            arm: Name of the arm.
        """
        values = list(self.gains[arm].values())
        return float(np.mean(values)) if values else -1.0


def outcome(layout: Layout) -> Outcome:
    """Gains and time of a finished rung.

    Args:
        layout: Folder of the rung's study.

    Raises:
        ValueError: Nothing is finished, or a result is damaged.
    """
    results = collect(layout)
    groups = {arm: results.groups.get((layout.plan["dataset"], "all", arm)) for arm in layout.arms}
    matrices = {arm: group.primary for arm, group in groups.items() if group is not None}
    gains: dict[str, dict[str, float]] = {}
    for arm in (a for a in matrices if a != BASELINE):
        difference = matrices[arm].minus(matrices[BASELINE])
        by_fold: dict[str, list[float]] = {}
        for training, values in zip(difference.trainings, difference.values, strict=True):
            outer, _ = cast("Training", training)
            by_fold.setdefault(str(outer), []).append(float(np.nanmean(values)))
        gains[arm] = {fold: float(np.mean(values)) for fold, values in by_fold.items()}
    scores = {arm: matrix.mean for arm, matrix in matrices.items() if not math.isnan(matrix.mean)}
    jobs = len(list(layout.jobs()))
    return Outcome(gains, scores, sum(results.seconds.values()) + START * jobs)


def costs(layout: Layout, jobs: int) -> Costs:
    """Durations of the jobs of a race, by the steps and cases that were timed.

    Args:
        layout: Folder of a study with all arms, whose ``timing.json`` is written.
        jobs: Number of jobs that run at once.

    Raises:
        ValueError: The file is damaged.
    """
    timing = read_mapping(layout.timing, "Delete it, and steps are timed anew.", TimingForm)
    study, folds = layout.study, [fold for fold in layout.plan["folds"] if not fold["draw"]]
    cases = sum(len(fold["val"]) for fold in folds) / len(folds)

    def job(kind: str, name: str, steps: int) -> Job:
        """What a training costs."""
        step = timing["step"][name]
        return Job(max(0.0, timing[kind][name] - step * steps) + START, step)

    needs = {
        arm: sorted({layout.pretrainings[i]["trainer"] for wanted in by_fold.values() for i in wanted.values()})
        for arm, by_fold in layout.plan["needs"].items()
    }
    stage_one = {name for names in needs.values() for name in names}
    return Costs(
        baseline=BASELINE,
        train={arm: job("train", arm, study.fine_tuning.steps) for arm in layout.arms},
        test={arm: START + cases * timing["case"][arm] for arm in layout.arms},
        pretrain={name: job("pretrain", name, study.pretraining.steps) for name in stage_one},
        needs=needs,
        folds=len(folds),
        pretrainings=1 if all(i.endswith(f"__{SHARED}") for i in layout.pretrainings) else len(folds),
        jobs=jobs,
    )
