"""Folders of anomaly maps against folders of labels: two streaming passes, failures collected."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nnunet_uad.common.json_files import read_mapping
from nnunet_uad.evaluation.cases import MAP, pair_files, read_cases
from nnunet_uad.evaluation.floors import strongest
from nnunet_uad.evaluation.request import EvaluationRequest
from nnunet_uad.inference.names import MAPS_RECORD
from nnunet_uad.metrics.anomaly import MaskScores, RankingScores, mean_over_cases, paired_difference
from nnunet_uad.scoring.thresholds import MapsForm

ORACLE = "oracle"
FIXED = "fixed"


def evaluate_folders(request: EvaluationRequest) -> dict[str, Any]:
    """Evaluate all cases that can be evaluated.

    Returns:
        A summary for JSON: per score (``map``, floors, baselines) pooled values, means over cases and masks, each
        with intervals; per case the same; ``strongest_floor`` names the floor to compare with, the one of the highest
        pooled AP among floors and baselines, and says by how much the map differs from it (``None`` without any);
        weaker floors have no pooled intervals and no masks. ``foreground`` says what told it, of whose healthy voxels
        the false-positive rates of the recall of lesions are shares: masks, images or scores. ``failed`` lists the
        cases left out and why.

    Raises:
        ValueError: Nothing at all could be evaluated, or a threshold is no finite number.
        FileNotFoundError: A folder is missing.

    Example:
        >>> maps = Path("nnUNet_results/Dataset901_Tumour/nnUNetPretrainerDAE__nnUNetPlans__2d/fold_0/validation")
        >>> labels = Path("nnUNet_raw/Dataset901_Tumour/labelsTr")
        >>> summary = evaluate_folders(EvaluationRequest(maps=[maps], labels=labels, lesion_labels=[1, 2]))
        >>> 0 < summary["scores"]["map"]["pooled"]["AP"]["value"] < 1
        True
    """
    endless = [f"{name}={value}" for name, value in request.thresholds.items() if not math.isfinite(value)]
    if endless:
        raise ValueError(f"A threshold is a finite number, found {', '.join(endless)}.")
    files, failed = pair_files(request)
    ranking: dict[str, RankingScores] = {}
    for case in read_cases(request, files, failed, "ranking"):
        lesions, healthy = case.lesions, case.healthy
        for name, scores in case.scores.items():
            collected = ranking.setdefault(name, RankingScores())
            collected.add(case.identifier, scores, case.positive, case.valid, lesions, healthy)
    if not ranking:
        reasons = "\n  ".join(f"{k}: {v}" for k, v in failed.items())
        raise ValueError(f"No case could be evaluated:\n  {reasons}")
    pooled = {name: r.pooled_scores() for name, r in ranking.items()}
    per_case = {name: r.values_per_case(pooled[name]) for name, r in ranking.items()}
    thresholds = _Thresholds(request, {name: p["best_dice_oracle_threshold"] for name, p in pooled.items()})
    # Chosen on these very cases, in favour of the floor: a map has to beat the best that there is without a model.
    floor = strongest({name: values["AP"] for name, values in pooled.items() if name != MAP})
    closely = [name for name in ranking if name == floor or name not in request.floor_scores]
    masks = {**{name: {} for name in ranking}, **_masks(request, files, failed, closely, thresholds)}
    return {
        "scores": {
            name: {
                "pooled": _with_intervals(pooled[name], ranking[name].pooled_intervals() if name in closely else {}),
                "mean_over_cases": mean_over_cases(per_case[name]),
                "masks": {
                    kind: {
                        "threshold": thresholds.described(name, kind),
                        "pooled": _with_intervals(m.pooled_scores(), m.pooled_intervals()),
                        "mean_over_cases": mean_over_cases(m.cases),
                    }
                    for kind, m in masks[name].items()
                },
            }
            for name in ranking
        },
        "metric_per_case": [
            {
                "identifier": identifier,
                "map": str(files[identifier]["map"]),
                "label": str(files[identifier]["label"]),
                "metrics": {
                    name: {
                        **_json_numbers(per_case[name][identifier]),
                        **{f"masks/{k}": _json_numbers(m.cases[identifier]) for k, m in masks[name].items()},
                    }
                    for name in ranking
                },
            }
            for identifier in sorted(next(iter(ranking.values())).cases)
        ],
        "foreground": request.foreground,
        "strongest_floor": _against(floor, ranking),
        "warnings": thresholds.warnings,
        "failed": failed,
    }


def _masks(
    request: EvaluationRequest,
    files: dict[str, dict[str, Path]],
    failed: dict[str, str],
    closely: Sequence[str],
    thresholds: _Thresholds,
) -> dict[str, dict[str, MaskScores]]:
    """What the masks of all thresholds select, by score and kind of threshold; of the scores that are looked at."""
    masks: dict[str, dict[str, MaskScores]] = {name: {} for name in closely}
    left = {case: of_case for case, of_case in files.items() if case not in failed}
    for case in read_cases(request, left, failed, "masks", closely):
        for name, scores in case.scores.items():
            for kind, threshold in thresholds.of(name, case.identifier, files[case.identifier]["map"]).items():
                of_mask = masks[name].setdefault(kind, MaskScores())
                of_mask.add(case.identifier, scores >= threshold, case.positive, case.valid)
    return masks


def _against(floor: str | None, ranking: dict[str, RankingScores]) -> dict[str, Any] | None:
    """The strongest floor, and how the map differs from it on the same cases."""
    if floor is None:
        return None
    own, other = ({case: values["AP"] for case, values in ranking[name].cases.items()} for name in (MAP, floor))
    return {"score": floor, "map_minus_floor": {"AP": paired_difference(own, other)}}


class _Thresholds:
    """Thresholds of each case: fixed ones, those stored with the model that made its map, and the oracle's."""

    def __init__(self, request: EvaluationRequest, oracle: dict[str, float]) -> None:
        self.fixed = request.thresholds
        self.oracle = oracle
        self.records = {folder: _record(folder) for folder in request.maps}
        self._chosen_on_itself: dict[str, set[str]] = {}

    def of(self, score: str, identifier: str, path: Path) -> dict[str, float]:
        """Name → threshold for the map of one case."""
        result = {} if math.isnan(self.oracle[score]) else {ORACLE: self.oracle[score]}
        if score != MAP:
            return result
        record = self.records.get(path.parent, {})
        for name, entry in record.get("thresholds", {}).items():
            result[name] = float(entry["value"])
            if identifier in entry.get("cases", []):
                self._chosen_on_itself.setdefault(name, set()).add(identifier)
        return result | self.fixed

    def described(self, score: str, kind: str) -> dict[str, Any]:
        """Where a threshold comes from, for the reader of the summary."""
        if kind == ORACLE:
            return {"value": self.oracle[score], "origin": "oracle: the best Dice on the very cases of this table"}
        if kind in self.fixed:
            return {"value": self.fixed[kind], "origin": "given"}
        stored = [r["thresholds"][kind] for r in self.records.values() if kind in r.get("thresholds", {})]
        return {
            "value": [entry["value"] for entry in stored],
            "origin": "stored with the model",
            "chosen_on": sorted({case for entry in stored for case in entry.get("cases", [])}),
        }

    @property
    def warnings(self) -> list[str]:
        """What makes a mask score too good."""
        return [
            f"The threshold {name} was chosen on {', '.join(sorted(cases))} itself; the mask scores are too good there."
            for name, cases in self._chosen_on_itself.items()
        ]


def _record(folder: Path) -> dict[str, Any]:
    path = folder / MAPS_RECORD
    fix = "Predict the maps anew, or delete it: thresholds that it holds are not evaluated then."
    return read_mapping(path, fix, MapsForm) if path.is_file() else {}


def _with_intervals(
    values: dict[str, float], intervals: dict[str, tuple[float, float] | None]
) -> dict[str, dict[str, Any]]:
    return {name: {"value": _number(v), "interval_95": intervals.get(name)} for name, v in values.items()}


def _json_numbers(values: dict[str, float]) -> dict[str, float | None]:
    return {name: _number(value) for name, value in values.items()}


def _number(value: float) -> float | None:
    """JSON knows neither NaN nor infinity."""
    return float(value) if math.isfinite(value) else None
