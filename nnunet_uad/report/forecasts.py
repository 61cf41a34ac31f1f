"""Forecasts of the arms of a study: which target, which budgets, what the statistics say."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nnunet_uad.report.collect import Results
from nnunet_uad.statistics.forecast import Forecast, forecast

#: The target without a flag: the next multiple of this above what the baseline reaches, at least so far above it.
STEP, LEAST_STEP = 0.05, 0.01


@dataclass(frozen=True)
class ForecastRow:
    """What more labelled cases would bring to an arm on a dataset.

    Attributes:
        dataset: Name of the dataset that was tested on.
        arm: Name of the trainer in the study.
        cases: Labelled cases of each budget that was fitted, ascending.
        target: Score whose need of labels is forecast; ``None`` if there is nothing to aim at.
        made: The forecast.
    """

    dataset: str
    arm: str
    cases: tuple[float, ...]
    target: float | None
    made: Forecast


def forecast_rows(results: Results, dataset: str, target: float | None = None) -> list[ForecastRow]:
    """A forecast per arm that learns from labels and has any score.

    Args:
        results: Results of the study.
        dataset: Name of the dataset that was tested on.
        target: Mean of the primary metric that is asked for; without it the next round number above what the baseline
            reaches with its largest budget in cases.
    """
    rows = []
    for arm in results.trained:
        # Slices of few cases and whole cases are labels of different kinds, and no curve joins them.
        groups = [(b, group) for b, group in results.of(dataset, arm) if not b.in_slices]
        if groups and arm == results.baseline and target is None:
            target = next_target(groups[-1][1].primary.mean)
        if groups:
            cases = tuple(results.cases(b.text) for b, _ in groups)
            rows.append(
                ForecastRow(dataset, arm, cases, target, forecast(cases, [g.primary for _, g in groups], target))
            )
    return rows


def next_target(reached: float) -> float | None:
    """The next round score; ``None`` where that would be perfection.

    Args:
        reached: Score of the baseline's largest budget.

    Example:
        >>> next_target(0.787), next_target(0.795), next_target(0.95)
        (0.8, 0.85, None)
    """
    target = round(math.ceil(round((reached + LEAST_STEP) / STEP, 9)) * STEP, 2)
    return target if target < 1 else None
