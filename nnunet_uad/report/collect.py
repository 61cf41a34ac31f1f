"""Everything that a study has measured so far, read from its folder."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from tqdm import tqdm

from nnunet_uad.metrics.lesions import LesionCounts
from nnunet_uad.statistics.matrix import ScoreMatrix
from nnunet_uad.study.layout import Cell, Layout
from nnunet_uad.study.study_file import Budget

#: Dataset, budget, arm.
Key = tuple[str, str, str]


@dataclass
class Group:
    """The test results of one arm at one budget on one dataset.

    Attributes:
        dice: (training, case, Dice); ``None`` where neither labels nor prediction have foreground.
        precision: the same for the average precision.
        lesions: summed over cases and trainings.
        reliability: summed counts, (voxels, probability, positives) x bins.
        whole_foreground: the test dataset has other classes, so foreground was compared with foreground.
    """

    dice: list[tuple[Any, str, float | None]] = field(default_factory=list)
    precision: list[tuple[Any, str, float | None]] = field(default_factory=list)
    lesions: LesionCounts = field(default_factory=LesionCounts)
    reliability: np.ndarray | None = None
    whole_foreground: bool = False

    def add(self, training: Any, row: dict[str, Any]) -> None:
        """A row of ``scores_DATASET.json``."""
        self.dice.append((training, row["case"], row["Dice"]))
        self.precision.append((training, row["case"], row["AP"]))
        self.lesions += LesionCounts(**row["lesions"])
        counts = np.array([row["reliability"][k] for k in ("voxels", "probability", "positives")], float)
        self.reliability = counts if self.reliability is None else self.reliability + counts
        self.whole_foreground |= row["compared"] == "foreground"

    @cached_property
    def dice_matrix(self) -> ScoreMatrix:
        """Trainings x cases."""
        return ScoreMatrix.of(self.dice)

    @cached_property
    def precision_matrix(self) -> ScoreMatrix:
        """Trainings x cases."""
        return ScoreMatrix.of(self.precision)


@dataclass
class Results:
    """What there is, and what is missing.

    Attributes:
        layout: of the study.
        groups: test results.
        trainings: cell → what its training left (``training.json``).
        pretrainings: pretraining → what it left.
        missing: cells that lack scores.
        seconds: by stage.
    """

    layout: Layout
    groups: dict[Key, Group]
    trainings: dict[str, dict[str, Any]]
    pretrainings: dict[str, dict[str, Any]]
    missing: list[Cell]
    seconds: dict[str, float]

    @property
    def baseline(self) -> str:
        """The arm that all others are compared with."""
        return self.layout.study.baseline

    @property
    def arms(self) -> list[str]:
        """In the order of the study."""
        return list(self.layout.arms)

    @property
    def budgets(self) -> list[Budget]:
        """Ascending by the slices that somebody annotates."""
        return sorted(map(Budget, self.layout.study.budgets), key=lambda b: self.amount(b.text))

    @property
    def datasets(self) -> list[str]:
        """The study's own first, then the further ones."""
        return self.layout.datasets

    @cached_property
    def _amounts(self) -> dict[str, float]:
        in_slices = any(Budget(b).in_slices for b in self.layout.study.budgets)
        found = defaultdict(list)
        for fold in self.layout.plan["folds"]:
            found[fold["budget"]].append(fold["annotated_slices"] if in_slices else len(fold["train"]))
        return {budget: float(np.mean(values)) for budget, values in found.items()}

    def amount(self, budget: str) -> float:
        """How many labels a budget is: cases, or slices where any budget of the study counts slices."""
        return self._amounts[budget]

    @property
    def unit(self) -> str:
        """Of :meth:`amount`."""
        return "slices" if any(Budget(b).in_slices for b in self.layout.study.budgets) else "cases"

    def of(self, dataset: str, arm: str) -> list[tuple[Budget, Group]]:
        """Budget and results of an arm, ascending; gaps are left out."""
        found = ((b, self.groups.get((dataset, b.text, arm))) for b in self.budgets)
        return [(budget, group) for budget, group in found if group is not None and group.dice_matrix.values.size]


def collect(layout: Layout) -> Results:
    """Read all results; what is missing is listed, never counted.

    Raises:
        ValueError: the study is not planned, or nothing of it is finished.
    """
    if not layout.planned:
        raise ValueError(f"{layout.folder} holds no planned study. Plan and run it: nnunet_uad study run STUDY.yaml")
    groups: dict[Key, Group] = defaultdict(Group)
    trainings: dict[str, dict[str, Any]] = {}
    missing: list[Cell] = []
    seconds: dict[str, float] = defaultdict(float)
    for identifier, cell in tqdm(layout.cells.items(), desc="reading", disable=len(layout.cells) < 500):
        if layout.trained(identifier).is_file():
            trainings[identifier] = _read(layout.trained(identifier))
            seconds["train"] += trainings[identifier]["seconds"]
        if not layout.finished("test", identifier):
            missing.append(cell)
        training = (cell.fold["outer"], cell.fold["draw"])
        for dataset in layout.datasets:
            path = layout.scores(identifier, dataset)
            if not path.is_file():
                continue
            scores = _read(path)
            seconds["test"] += scores["seconds"]
            for row in scores["rows"]:
                groups[dataset, cell.fold["budget"], cell.arm].add(training, row)
    if not groups:
        raise ValueError(f"No cell of the study in {layout.folder} is finished yet: nnunet_uad study run STUDY.yaml")
    pretrainings = dict(_pretrainings(layout))
    seconds["pretrain"] = sum(p["seconds"] for p in pretrainings.values())
    return Results(layout, dict(groups), trainings, pretrainings, missing, dict(seconds))


def _pretrainings(layout: Layout) -> Iterator[tuple[str, dict[str, Any]]]:
    for identifier in layout.pretrainings:
        if layout.pretrained(identifier).is_file():
            yield identifier, _read(layout.pretrained(identifier))


def _read(path: Any) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))
