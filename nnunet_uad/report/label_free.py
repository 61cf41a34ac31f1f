"""Arms without labels: what the anomaly maps of pretrainers reach on the test cases, beside the intensities."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnunet_uad.evaluation.folders import ORACLE
from nnunet_uad.metrics.bootstrap import mean_interval
from nnunet_uad.report.collect import Results
from nnunet_uad.statistics.intervals import Interval

#: Name of the pretrainer's own score in the summaries.
MAP = "map"
#: Case values: key of the row → place in a case's metrics.
_OF_CASES = {"AP": ("AP",), "Dice": (f"masks/{ORACLE}", "Dice")}
#: Values of all voxels together.
_POOLED = ("AP", "AUPRO", "best_dice_oracle")


@dataclass(frozen=True)
class MapRow:
    """The scores of one kind of map on a dataset.

    Attributes:
        dataset: Name of the dataset that was tested on.
        name: Name of the arm, or of the intensity.
        learnt: Whether it is an arm; else it is the intensity of a channel, without any model.
        cases: Number of test cases with a lesion.
        values: Mean over cases: ``AP``, and ``Dice`` of the masks at the threshold that is best for all voxels of an
            outer fold's test cases together: no other threshold could be better chosen.
        intervals: Bootstrap intervals of these over cases.
        pooled: Values of all voxels together, mean over outer folds: ``AP``, ``AUPRO``, ``best_dice_oracle``.
    """

    dataset: str
    name: str
    learnt: bool
    cases: int
    values: Mapping[str, float]
    intervals: Mapping[str, Interval | None]
    pooled: Mapping[str, float]


def map_rows(results: Results, dataset: str) -> list[MapRow]:
    """A row per arm without labels that is finished, and one per intensity that they are compared with.

    Args:
        results: Results of the study.
        dataset: Name of the dataset that was tested on.
    """
    arms = {arm: results.maps[dataset, arm] for arm in results.label_free if (dataset, arm) in results.maps}
    rows = [_row(dataset, arm, True, MAP, summaries) for arm, summaries in arms.items()]
    if arms:
        # Where an arm is not finished everywhere, the intensities are those of the arm with the most outer folds.
        most = max(arms.values(), key=len)
        rows += [_row(dataset, name, False, name, most) for name in most[0]["scores"] if name != MAP]
    return rows


def best_intensity(rows: Sequence[MapRow]) -> MapRow | None:
    """The intensity with the highest mean AP, which is chosen on the test cases: in favour of the baseline.

    Args:
        rows: Rows of one dataset.
    """
    return max((r for r in rows if not r.learnt), key=lambda r: r.values["AP"], default=None)


def _row(dataset: str, name: str, learnt: bool, score: str, summaries: Sequence[Mapping[str, Any]]) -> MapRow:
    values = {key: list(_case_values(summaries, score, place)) for key, place in _OF_CASES.items()}
    pooled = {key: [s["scores"][score]["pooled"][key]["value"] for s in summaries] for key in _POOLED}
    return MapRow(
        dataset=dataset,
        name=name,
        learnt=learnt,
        cases=len(values["AP"]),
        values={key: _mean(found) for key, found in values.items()},
        intervals={key: _interval(found) for key, found in values.items()},
        pooled={key: _mean([v for v in found if v is not None]) for key, found in pooled.items()},
    )


def _case_values(summaries: Sequence[Mapping[str, Any]], score: str, place: tuple[str, ...]) -> Iterator[float]:
    """Values of the cases in which the metric is defined."""
    for summary in summaries:
        for case in summary["metric_per_case"]:
            value: Any = case["metrics"][score]
            for key in place:
                value = value.get(key) if value else None
            if value is not None:
                yield float(value)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def _interval(values: Sequence[float]) -> Interval | None:
    ends = mean_interval(values) if values else None
    return Interval(*ends, trainings=False) if ends else None
