"""Arms without labels: what the anomaly maps of pretrainers reach on the test cases, beside the floors.

Studies that were scored by earlier versions have the equalised intensities instead, ``intensity:FLAIR``.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnunet_uad.evaluation.cases import MAP
from nnunet_uad.evaluation.floors import without_scale
from nnunet_uad.evaluation.folders import ORACLE
from nnunet_uad.metrics.bootstrap import mean_interval
from nnunet_uad.metrics.lesion_recall import SIZES, recall_key
from nnunet_uad.report.collect import Results
from nnunet_uad.statistics.intervals import Interval

#: Case values: key of the row → place in a case's metrics.
_OF_CASES = {"AP": ("AP",), "Dice": (f"masks/{ORACLE}", "Dice")}
#: Share of all and of small lesions found, in the pooled values; studies that earlier versions scored lack them.
RECALL, RECALL_SMALL = (recall_key(size, 0.01) for size in SIZES[:2])
#: Values of all voxels together.
_POOLED = ("AP", "AUPRO", "best_dice_oracle", RECALL, RECALL_SMALL)


@dataclass(frozen=True)
class MapRow:
    """The scores of one kind of map on a dataset.

    Attributes:
        dataset: Name of the dataset that was tested on.
        name: Name of the arm, or of the floor.
        learnt: Whether it is an arm; else it is a floor, a channel as it is, without any model.
        cases: Number of test cases with a lesion.
        values: Mean over cases: ``AP``, and ``Dice`` of the masks at the threshold that is best for all voxels of an
            outer fold's test cases together: no other threshold could be better chosen. NaN of floors that have masks
            on no outer fold or on some only.
        intervals: Bootstrap intervals of these over cases.
        pooled: Values of all voxels together, mean over outer folds: ``AP``, ``AUPRO``, ``best_dice_oracle``, and the
            share of all and of small lesions found at 1 % false positives.
    """

    dataset: str
    name: str
    learnt: bool
    cases: int
    values: Mapping[str, float]
    intervals: Mapping[str, Interval | None]
    pooled: Mapping[str, float]


def map_rows(results: Results, dataset: str) -> list[MapRow]:
    """A row per arm without labels that is finished, and one per floor that they are compared with.

    Args:
        results: Results of the study.
        dataset: Name of the dataset that was tested on.
    """
    arms = {arm: results.maps[dataset, arm] for arm in results.label_free if (dataset, arm) in results.maps}
    rows = [_row(dataset, arm, True, MAP, summaries) for arm, summaries in arms.items()]
    if arms:
        # Where an arm is not finished everywhere, the floors are those of the arm with the most outer folds.
        most = max(arms.values(), key=len)
        names = dict.fromkeys(name for summary in most for name in summary["scores"] if name != MAP)
        # Outer folds that earlier versions scored have other names: a row counts the cases that have its own.
        rows += [_row(dataset, n, False, n, [s for s in most if n in s["scores"]]) for n in names]
    return rows


def strongest_floor(rows: Sequence[MapRow]) -> MapRow | None:
    """The floor with the highest mean AP, which is chosen on the test cases: in favour of the floor.

    Args:
        rows: Rows of one dataset; floors that only some of the cases have do not count.
    """
    floors = [row for row in rows if not row.learnt and not math.isnan(row.values["AP"])]
    most = max((row.cases for row in floors), default=0)
    return max((row for row in floors if row.cases == most), key=lambda row: row.values["AP"], default=None)


def shown_rows(rows: Sequence[MapRow]) -> list[MapRow]:
    """Rows for a page: every arm, and of every channel the scale that is its strongest floor.

    Args:
        rows: Rows of one dataset.
    """
    channels: dict[str, list[MapRow]] = defaultdict(list)
    for row in rows:
        if not row.learnt:
            channels[without_scale(row.name)].append(row)
    best = {floor.name for of_channel in channels.values() if (floor := strongest_floor(of_channel))}
    return [row for row in rows if row.learnt or row.name in best]


def _row(dataset: str, name: str, learnt: bool, score: str, summaries: Sequence[Mapping[str, Any]]) -> MapRow:
    values = {key: list(_case_values(summaries, score, place)) for key, place in _OF_CASES.items()}
    if len(values["Dice"]) < len(values["AP"]):
        values["Dice"] = []
    pooled = {key: [s["scores"][score]["pooled"].get(key, {}).get("value") for s in summaries] for key in _POOLED}
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
