"""Everything that a study has measured so far, read from its folder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from tqdm import tqdm

from nnunet_uad.metrics import segmentation
from nnunet_uad.metrics.metric import values_of
from nnunet_uad.metrics.segmentation import PRIMARY, Counts, add_counts
from nnunet_uad.report.forms import read_map_scores, read_scores, read_training
from nnunet_uad.statistics.matrix import ScoreMatrix
from nnunet_uad.study.labelled import Budget
from nnunet_uad.study.layout import Cell, Layout, MapCell

#: Dataset, budget, arm.
Key = tuple[str, str, str]
#: What repeats a training: outer fold, draw.
Training = tuple[Any, Any]


@dataclass
class Group:
    """The test results of one arm at one budget on one dataset.

    Attributes:
        tests: Training and case of every test, in the order of the files.
        scores: Key of a metric → its value in every test, ``None`` where it is undefined or was not measured.
        counts: Counts for the pooled metrics, summed over cases and trainings.
        whole_foreground: Whether the test dataset has other classes, so that foreground was compared with foreground.
    """

    tests: list[tuple[Training, str]] = field(default_factory=list)
    scores: dict[str, list[float | None]] = field(
        default_factory=lambda: {m.key: [] for m in segmentation.CASE_METRICS}
    )
    counts: Counts = field(default_factory=dict)
    whole_foreground: bool = False

    def add(self, training: Training, row: dict[str, Any]) -> None:
        """Add a row of ``scores_DATASET.json``."""
        self.tests.append((training, row["case"]))
        for key, values in self.scores.items():
            values.append(row.get(key))
        add_counts(self.counts, row)
        self.whole_foreground |= row["compared"] == "foreground"

    @cached_property
    def values(self) -> dict[str, ScoreMatrix]:
        """Key of a metric → its values, trainings x cases."""
        return {key: ScoreMatrix.of(self.entries(key)) for key in self.scores}

    @property
    def primary(self) -> ScoreMatrix:
        """Values of the metric that the study is decided by, trainings x cases."""
        return self.values[PRIMARY.key]

    def entries(self, key: str) -> list[tuple[Training, str, float | None]]:
        """Training, case and value of a metric in every test."""
        return [(*test, value) for test, value in zip(self.tests, self.scores[key], strict=True)]

    def means(self) -> dict[str, float]:
        """Key → value of every metric: mean over all tests, or of the summed counts; NaN where it is undefined."""
        means = {key: matrix.mean for key, matrix in self.values.items()}
        return {**means, **values_of(segmentation.POOLED_METRICS, self.counts)}


@dataclass
class Results:
    """Everything that there is, and what is missing.

    Attributes:
        layout: Layout of the study's folder.
        groups: Test results by dataset, budget and arm.
        trainings: Cell → what its training left (``training.json``).
        pretrainings: Pretraining → what it left.
        missing: Cells that lack scores, those without labels included.
        maps: Dataset and arm without labels → summary of its maps, one per finished outer fold.
        seconds: Stage → computing time, s.
    """

    layout: Layout
    groups: dict[Key, Group]
    trainings: dict[str, dict[str, Any]]
    pretrainings: dict[str, dict[str, Any]]
    missing: list[Cell | MapCell]
    maps: dict[tuple[str, str], list[dict[str, Any]]]
    seconds: dict[str, float]

    @property
    def baseline(self) -> str:
        """The arm that all others are compared with; empty if none learns from labels."""
        return self.layout.study.baseline

    @property
    def arms(self) -> list[str]:
        """All arms that segment: the trained ones in the order of the study, then the screens."""
        return list(self.layout.arms)

    @property
    def trained(self) -> list[str]:
        """All arms that learn from labels, in the order of the study: the others have their segmentations."""
        return [name for name, arm in self.layout.arms.items() if arm.learns]

    @property
    def screens(self) -> dict[str, tuple[str, str]]:
        """Name of a screen → the arm whose segmentations it has, and the one whose maps it has."""
        return {name: arm.screen for name, arm in self.layout.arms.items() if arm.screen}

    @property
    def label_free(self) -> list[str]:
        """All arms without labels, in the order of the study."""
        return list(self.layout.study.label_free)

    @property
    def budgets(self) -> list[Budget]:
        """All budgets, ascending by the slices that somebody annotates."""
        return sorted(map(Budget, self.layout.study.budgets), key=lambda b: self.amount(b.text))

    @property
    def datasets(self) -> list[str]:
        """All datasets that are tested on: the study's own first, then the further ones."""
        return self.layout.datasets

    @cached_property
    def _amounts(self) -> dict[str, float]:
        in_slices = any(Budget(b).in_slices for b in self.layout.study.budgets)
        amounts = defaultdict(list)
        for fold in self.layout.plan["folds"]:
            amounts[fold["budget"]].append(fold["annotated_slices"] if in_slices else len(fold["train"]))
        return {budget: float(np.mean(values)) for budget, values in amounts.items()}

    def amount(self, budget: str) -> float:
        """How many labels a budget is: cases, or slices where any budget of the study counts slices."""
        return self._amounts[budget]

    def cases(self, budget: str) -> float:
        """How many labelled cases a budget is, over outer folds and draws.

        Args:
            budget: Budget in cases, as the study writes it.
        """
        return float(np.mean([len(fold["train"]) for fold in self.layout.plan["folds"] if fold["budget"] == budget]))

    @property
    def unit(self) -> str:
        """Unit of :meth:`amount`: ``slices`` or ``cases``."""
        return "slices" if any(Budget(b).in_slices for b in self.layout.study.budgets) else "cases"

    def of(self, dataset: str, arm: str) -> list[tuple[Budget, Group]]:
        """Budget and results of an arm, ascending; gaps are left out."""
        groups = ((b, self.groups.get((dataset, b.text, arm))) for b in self.budgets)
        return [(budget, group) for budget, group in groups if group is not None and group.primary.values.size]


def collect(layout: Layout) -> Results:
    """Read all results; what is missing is listed, never counted.

    Raises:
        ValueError: The study is not planned, nothing of it is finished, or a result is damaged.
    """
    if not layout.planned:
        raise ValueError(f"{layout.folder} holds no planned study. Plan and run it: nnunet_uad study run STUDY.yaml")
    groups: dict[Key, Group] = defaultdict(Group)
    trainings: dict[str, dict[str, Any]] = {}
    missing: list[Cell | MapCell] = []
    seconds: dict[str, float] = defaultdict(float)
    for identifier, cell in tqdm(layout.cells.items(), desc="reading", disable=len(layout.cells) < 500):
        if layout.trained(identifier).is_file():
            trainings[identifier] = read_training(layout.trained(identifier))
            seconds["train"] += trainings[identifier]["seconds"]
        if not layout.finished("test", identifier):
            missing.append(cell)
        training = (cell.fold["outer"], cell.fold["draw"])
        for dataset in layout.datasets:
            path = layout.scores(identifier, dataset)
            if not path.is_file():
                continue
            scores = read_scores(path, layout.tested(cell, dataset))
            seconds["test"] += scores["seconds"]
            for row in scores["rows"]:
                groups[dataset, cell.fold["budget"], cell.arm].add(training, row)
    maps = _maps(layout, missing, seconds)
    if not groups and not maps:
        raise ValueError(f"No cell of the study in {layout.folder} is finished yet: nnunet_uad study run STUDY.yaml")
    pretrainings = dict(_pretrainings(layout))
    seconds["pretrain"] = sum(p["seconds"] for p in pretrainings.values())
    return Results(layout, dict(groups), trainings, pretrainings, missing, maps, dict(seconds))


def _maps(
    layout: Layout, missing: list[Cell | MapCell], seconds: dict[str, float]
) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Summaries of anomaly maps; cells without are added to ``missing``, their time to ``seconds``."""
    maps: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for identifier, cell in layout.map_cells.items():
        if not layout.finished("map", identifier):
            missing.append(cell)
        for dataset in layout.datasets:
            path = layout.map_scores(identifier, dataset)
            if path.is_file():
                content = read_map_scores(path, layout.tested(cell, dataset))
                seconds["map"] += content["seconds"]
                maps[dataset, cell.arm].append(content["summary"])
    return dict(maps)


def _pretrainings(layout: Layout) -> Iterator[tuple[str, dict[str, Any]]]:
    for identifier in layout.pretrainings:
        if layout.pretrained(identifier).is_file():
            yield identifier, read_training(layout.pretrained(identifier))
