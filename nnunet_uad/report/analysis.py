"""Results → the numbers of the report's tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from nnunet_uad.metrics.metric import ReportedMetric
from nnunet_uad.metrics.segmentation import PRIMARY, RANKING
from nnunet_uad.report.collect import Group, Results
from nnunet_uad.report.forecasts import ForecastRow, forecast_rows
from nnunet_uad.statistics.comparison import Comparison, compare, holm, is_clear
from nnunet_uad.statistics.intervals import Interval, case_interval, interval
from nnunet_uad.statistics.label_saving import LabelSaving, label_saving, labels_needed
from nnunet_uad.study.labelled import Budget

#: "How many labels are enough" asks for this share of the baseline's score with all its labels.
ENOUGH = 0.95
#: Metrics by which arms are compared in pairs: shares, from 0 to 1.
COMPARED = (PRIMARY, RANKING)


@dataclass(frozen=True)
class CellRow:
    """Mean scores of an arm at a budget on a dataset.

    Attributes:
        dataset: Name of the dataset that was tested on.
        budget: Budget of labels.
        arm: Name of the trainer in the study.
        trainings: Number of finished trainings.
        planned: Number of planned trainings.
        cases: Number of test cases.
        values: Key → value of every metric; NaN where nothing is finished, or where it is undefined.
        interval: Interval of the primary metric over cases and trainings.
        case_interval: Interval of the primary metric over cases, with the trainings as they are.
        whole_foreground: Whether foreground was compared with foreground, whatever its classes.
    """

    dataset: str
    budget: Budget
    arm: str
    trainings: int
    planned: int
    cases: int
    values: Mapping[str, float]
    interval: Interval | None
    case_interval: Interval | None
    whole_foreground: bool

    @property
    def score(self) -> float:
        """Mean of the primary metric."""
        return self.values[PRIMARY.key]

    @property
    def finished(self) -> bool:
        """Whether there is any score."""
        return not np.isnan(self.score)


@dataclass(frozen=True)
class DifferenceRow:
    """An arm against the baseline by a metric, at a budget on a dataset; ``comparison`` is ``None`` for a gap."""

    metric: ReportedMetric
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
    """All tables; differences by the primary metric first."""

    cells: list[CellRow]
    differences: list[DifferenceRow]
    savings: list[SavingRow]
    enough: dict[str, dict[str, float]]
    forecasts: list[ForecastRow]

    def cell(self, dataset: str, budget: str, arm: str) -> CellRow:
        """One row."""
        return next(c for c in self.cells if (c.dataset, c.budget.text, c.arm) == (dataset, budget, arm))


def analyse(results: Results, target: float | None = None) -> Analysis:
    """Compute everything that the report shows.

    Args:
        results: Results of the study.
        target: Mean of the primary metric whose need of labels is forecast; the next round one without it.
    """
    cells = [
        _cell(results, dataset, budget, arm)
        for dataset in results.datasets
        for budget in results.budgets
        for arm in results.arms
    ]
    differences = [row for m in COMPARED for dataset in results.datasets for row in _differences(results, dataset, m)]
    savings = [
        row for dataset in results.datasets for arm in results.trained[1:] for row in _savings(results, dataset, arm)
    ]
    forecasts = [row for dataset in results.datasets for row in forecast_rows(results, dataset, target)]
    return Analysis(cells, differences, savings, {d: _enough(results, d) for d in results.datasets}, forecasts)


def _cell(results: Results, dataset: str, budget: Budget, arm: str) -> CellRow:
    group = results.groups.get((dataset, budget.text, arm), Group())
    scores = group.primary
    planned = sum(fold["budget"] == budget.text for fold in results.layout.plan["folds"])
    return CellRow(
        dataset=dataset,
        budget=budget,
        arm=arm,
        trainings=len(scores.trainings),
        planned=planned,
        cases=len(scores.cases),
        values=group.means(),
        interval=_clipped(interval(scores), 0.0) if scores.values.size else None,
        case_interval=case_interval(scores) if scores.values.size else None,
        whole_foreground=group.whole_foreground,
    )


def _clipped(ends: Interval | None, lowest: float) -> Interval | None:
    """Dice is between 0 and 1, and so is its mean; a difference between −1 and 1."""
    return ends and replace(ends, low=max(ends.low, lowest), high=min(ends.high, 1.0))


def _differences(results: Results, dataset: str, metric: ReportedMetric) -> list[DifferenceRow]:
    """Corrected over all comparisons by this metric on this dataset."""
    rows: list[tuple[Budget, str, Comparison | None]] = []
    for budget in results.budgets:
        base = results.groups.get((dataset, budget.text, results.baseline))
        for arm in results.arms[1:]:
            group = results.groups.get((dataset, budget.text, arm))
            both = group and base and (group.values[metric.key], base.values[metric.key])
            comparison = compare(*both) if both else None
            rows.append((budget, arm, comparison and replace(comparison, interval=_clipped(comparison.interval, -1.0))))
    corrected = holm([c.p if c else float("nan") for _, _, c in rows])
    return [
        DifferenceRow(metric, dataset, budget, arm, c, p, c is not None and is_clear(c, p))
        for (budget, arm, c), p in zip(rows, corrected, strict=True)
    ]


def _savings(results: Results, dataset: str, arm: str) -> list[SavingRow]:
    """At the budgets that both arms have, on the trainings that all of these have."""
    groups, base = dict(results.of(dataset, arm)), dict(results.of(dataset, results.baseline))
    budgets = [b for b in base if b in groups]
    matrices = [group[b].primary for group in (base, groups) for b in budgets]
    common = set.intersection(*(set(m.trainings) for m in matrices)) if matrices else set()
    if len(budgets) < 2 or not common:
        return []
    matrices = [m.restricted(common) for m in matrices]
    amounts = [results.amount(b.text) for b in budgets]
    savings = label_saving(amounts, matrices[: len(budgets)], matrices[len(budgets) :])
    return [SavingRow(dataset, b, arm, s) for b, s in zip(budgets, savings, strict=True)]


def _enough(results: Results, dataset: str) -> dict[str, float]:
    """Arm → labels for :data:`ENOUGH` of what the baseline reaches with its largest budget."""
    base = results.of(dataset, results.baseline)
    # With gaps the means of arms and budgets are those of different trainings.
    if not base or results.missing:
        return {}
    wanted = ENOUGH * base[-1][1].primary.mean
    needed = {}
    for arm in results.trained:
        groups = results.of(dataset, arm)
        if len(groups) > 1:
            means = np.array([group.primary.mean for _, group in groups])
            needed[arm] = labels_needed([results.amount(b.text) for b, _ in groups], means, wanted)
    return needed
