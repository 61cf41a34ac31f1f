"""Results → the numbers of the report's tables."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nnunet_uad.report.collect import Group, Results
from nnunet_uad.statistics.comparison import Comparison, compare, holm, is_clear
from nnunet_uad.statistics.intervals import Interval, case_interval, interval
from nnunet_uad.statistics.label_saving import LabelSaving, label_saving, labels_needed
from nnunet_uad.study.study_file import Budget

#: Of the baseline's score with all its labels: "how many labels are enough" means this share of it.
ENOUGH = 0.95


@dataclass(frozen=True)
class CellRow:
    """Mean scores of an arm at a budget on a dataset; ``dice`` is NaN where nothing is finished."""

    dataset: str
    budget: Budget
    arm: str
    trainings: int
    planned: int
    cases: int
    dice: float
    interval: Interval | None
    case_interval: Interval | None
    precision: float
    lesion_recall: float
    false_positives: float
    calibration_error: float
    whole_foreground: bool


@dataclass(frozen=True)
class DifferenceRow:
    """An arm against the baseline at a budget on a dataset; ``comparison`` is ``None`` for a gap."""

    dataset: str
    budget: Budget
    arm: str
    comparison: Comparison | None
    corrected_p: float
    clear: bool


@dataclass(frozen=True)
class SavingRow:
    """The label-saving factor of an arm at a budget."""

    dataset: str
    budget: Budget
    arm: str
    saving: LabelSaving


@dataclass(frozen=True)
class Analysis:
    """All tables."""

    cells: list[CellRow]
    differences: list[DifferenceRow]
    savings: list[SavingRow]
    enough: dict[str, dict[str, float]]

    def cell(self, dataset: str, budget: str, arm: str) -> CellRow:
        """One row."""
        return next(c for c in self.cells if (c.dataset, c.budget.text, c.arm) == (dataset, budget, arm))


def analyse(results: Results) -> Analysis:
    """Compute everything that the report shows."""
    cells = [
        _cell(results, dataset, budget, arm)
        for dataset in results.datasets
        for budget in results.budgets
        for arm in results.arms
    ]
    differences = [row for dataset in results.datasets for row in _differences(results, dataset)]
    savings = [
        row for dataset in results.datasets for arm in results.arms[1:] for row in _savings(results, dataset, arm)
    ]
    return Analysis(cells, differences, savings, {d: _enough(results, d) for d in results.datasets})


def _cell(results: Results, dataset: str, budget: Budget, arm: str) -> CellRow:
    group = results.groups.get((dataset, budget.text, arm), Group())
    scores = group.dice_matrix
    lesions = group.lesions.scores()
    planned = sum(fold["budget"] == budget.text for fold in results.layout.plan["folds"])
    return CellRow(
        dataset=dataset,
        budget=budget,
        arm=arm,
        trainings=len(scores.trainings),
        planned=planned,
        cases=len(scores.cases),
        dice=scores.mean,
        interval=_clipped(interval(scores), 0.0) if scores.values.size else None,
        case_interval=case_interval(scores) if scores.values.size else None,
        precision=group.precision_matrix.mean,
        lesion_recall=lesions["lesion_recall"],
        false_positives=lesions["false_positives_per_scan"],
        calibration_error=calibration_error(group.reliability),
        whole_foreground=group.whole_foreground,
    )


def _clipped(found: Interval | None, lowest: float) -> Interval | None:
    """Dice is between 0 and 1, and so is its mean; a difference between −1 and 1."""
    return found and replace(found, low=max(found.low, lowest), high=min(found.high, 1.0))


def _differences(results: Results, dataset: str) -> list[DifferenceRow]:
    """Corrected over all comparisons on this dataset."""
    rows: list[tuple[Budget, str, Comparison | None]] = []
    for budget in results.budgets:
        base = results.groups.get((dataset, budget.text, results.baseline))
        for arm in results.arms[1:]:
            mine = results.groups.get((dataset, budget.text, arm))
            found = compare(mine.dice_matrix, base.dice_matrix) if mine and base else None
            rows.append((budget, arm, found and replace(found, interval=_clipped(found.interval, -1.0))))
    corrected = holm([c.p if c else float("nan") for _, _, c in rows])
    return [
        DifferenceRow(dataset, budget, arm, c, p, c is not None and is_clear(c, p))
        for (budget, arm, c), p in zip(rows, corrected, strict=True)
    ]


def _savings(results: Results, dataset: str, arm: str) -> list[SavingRow]:
    """At the budgets that both arms have, on the trainings that all of these have."""
    mine, base = dict(results.of(dataset, arm)), dict(results.of(dataset, results.baseline))
    budgets = [b for b in base if b in mine]
    matrices = [group[b].dice_matrix for group in (base, mine) for b in budgets]
    common = set.intersection(*(set(m.trainings) for m in matrices)) if matrices else set()
    if len(budgets) < 2 or not common:
        return []
    matrices = [m.restricted(common) for m in matrices]
    amounts = [results.amount(b.text) for b in budgets]
    found = label_saving(amounts, matrices[: len(budgets)], matrices[len(budgets) :])
    return [SavingRow(dataset, b, arm, s) for b, s in zip(budgets, found, strict=True)]


def _enough(results: Results, dataset: str) -> dict[str, float]:
    """Arm → labels for :data:`ENOUGH` of what the baseline reaches with its largest budget."""
    base = results.of(dataset, results.baseline)
    # With gaps the means of arms and budgets are those of different trainings.
    if not base or results.missing:
        return {}
    wanted = ENOUGH * base[-1][1].dice_matrix.mean
    found = {}
    for arm in results.arms:
        mine = results.of(dataset, arm)
        if len(mine) > 1:
            means = np.array([group.dice_matrix.mean for _, group in mine])
            found[arm] = labels_needed([results.amount(b.text) for b, _ in mine], means, wanted)
    return found


def reliability_curve(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean probability, share of foreground and voxels of every bin that holds a voxel.

    Args:
        counts: (voxels, probability, positives) x bins of :data:`~nnunet_uad.study.running.scoring.RELIABILITY_EDGES`.
    """
    voxels, probability, positives = counts
    held = voxels > 0
    return probability[held] / voxels[held], positives[held] / voxels[held], voxels[held]


def calibration_error(counts: np.ndarray | None) -> float:
    """Expected calibration error (Guo et al., ICML 2017) of voxels with a probability of at least 0.01.

    The many voxels below would hide it: they are background and nearly always rightly so.
    """
    if counts is None or counts[0, 1:].sum() == 0:
        return float("nan")
    predicted, observed, voxels = reliability_curve(counts[:, 1:])
    return float((voxels * np.abs(predicted - observed)).sum() / voxels.sum())


def finite(value: Any) -> bool:
    """A number that can be written down."""
    return value is not None and bool(np.isfinite(value))
