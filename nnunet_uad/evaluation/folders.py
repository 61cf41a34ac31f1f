"""Folders of anomaly maps against folders of labels: two streaming passes, failures collected."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from nnunet_uad.common.csv_files import write_csv_file
from nnunet_uad.common.files import write_json
from nnunet_uad.common.json_files import read_mapping
from nnunet_uad.data.grids import voxel_spacing
from nnunet_uad.data.image_files import channels_in, ending_of, images_in, maps_in, read_on_grid, read_values
from nnunet_uad.data.probability_files import lesion_probability, probabilities_in
from nnunet_uad.data.raw_files import whole_numbers
from nnunet_uad.evaluation.floors import Floor, strongest
from nnunet_uad.inference.names import MAPS_RECORD
from nnunet_uad.metrics.anomaly import MaskScores, RankingScores, mean_over_cases, paired_difference
from nnunet_uad.metrics.baseline import equalised_intensity, image_foreground
from nnunet_uad.metrics.lesion_recall import Lesions
from nnunet_uad.scoring.thresholds import MapsForm

#: Name of the maps' own score in a summary.
MAP = "map"
ORACLE = "oracle"
FIXED = "fixed"


@dataclass(frozen=True)
class EvaluationRequest:
    """What is compared with what.

    Attributes:
        maps: Folders with ``<case>_map.*`` (or plain ``<case>.*``); with ``probabilities`` those of ``<case>.npz``.
        labels: Folder with ``<case>.*``.
        lesion_labels: Label values that count as lesion; values 0 and 1 are expected if empty.
        ignore_label: Label value whose voxels do not count.
        masks: Folder with foregrounds ``<case>.*``; scores outside count as the lowest.
        images: Folder with ``<case>_0000.*``, for floors and baselines.
        baselines: Channel index per name of a baseline, the equalised intensity.
        thresholds: Fixed thresholds by name.
        resample: Whether maps that lie on another grid are resampled.
        healthy_cases: Whether cases without lesion are accepted.
        only: Cases to evaluate; all if empty.
        probabilities: Whether the maps are what ``nnUNetv2_predict --save_probabilities`` wrote.
        floors: Floors to stand beside the maps, robust z at every scale; an entry per channel.

    Example:
        >>> maps = Path("nnUNet_results/Dataset901_Tumour/nnUNetPretrainerDAE__nnUNetPlans__2d/fold_0/validation")
        >>> request = EvaluationRequest(maps=[maps], labels=Path("nnUNet_raw/Dataset901_Tumour/labelsTr"))
    """

    maps: Sequence[Path]
    labels: Path
    lesion_labels: Sequence[int] = ()
    ignore_label: int | None = None
    masks: Path | None = None
    images: Path | None = None
    baselines: dict[str, int] = field(default_factory=dict)
    thresholds: dict[str, float] = field(default_factory=dict)
    resample: bool = False
    healthy_cases: bool = False
    only: Sequence[str] = ()
    probabilities: bool = False
    floors: Sequence[Floor] = ()

    @property
    def channels(self) -> list[int]:
        """Channels of the images that floors and baselines read."""
        return sorted({*self.baselines.values(), *(floor.channel for floor in self.floors)})

    @property
    def floor_scores(self) -> list[str]:
        """Names of the floors' scores."""
        return [name for floor in self.floors for name in floor.scales]

    @property
    def foreground(self) -> str:
        """What tells the foreground, of whose healthy voxels false-positive rates are shares.

        ``masks``; ``images``, of which those that floors and baselines read are not background; or ``scores`` that are
        not background.
        """
        return "masks" if self.masks else "images" if self.channels else "scores"


@dataclass(frozen=True)
class _Case:
    identifier: str
    scores: dict[str, np.ndarray]
    positive: np.ndarray
    valid: np.ndarray | None
    foreground: np.ndarray
    spacing: tuple[float, ...]

    @property
    def lesions(self) -> Lesions:
        """Lesions with their volumes."""
        return Lesions.of(self.positive, math.prod(self.spacing))

    @property
    def healthy(self) -> int:
        """Number of foreground voxels without lesion."""
        healthy = self.foreground & ~self.positive
        return int(np.count_nonzero(healthy if self.valid is None else healthy & self.valid))


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
    files, failed = _pair(request)
    ranking: dict[str, RankingScores] = {}
    for case in _read_all(request, files, failed, "ranking"):
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
    for case in _read_all(request, left, failed, "masks", closely):
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


def check_output(path: Path) -> None:
    """Refuse a place where a summary cannot be written, before the maps are read; makes its folder.

    Args:
        path: File of the summary.

    Raises:
        ValueError: The summary or the table beside it is a folder or an image, or both are one file.
        OSError: The folder cannot be made, or nothing can be written into it.
    """
    if ending_of(path):
        raise ValueError(f"-o is the JSON file to write, found the image {path}.")
    table = path.with_suffix(".csv") if path.name else path
    for file in (path, table):
        if file.is_dir():
            raise ValueError(f"-o is a file to write, found the folder {file}. Name one: -o {file / 'summary.json'}")
    if table == path:
        raise ValueError(f"-o names the JSON file; the table goes beside it as .csv: -o {path.with_suffix('.json')}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent):
        pass


def write_evaluation(summary: dict[str, Any], path: Path) -> Path:
    """Write ``summary`` as JSON to ``path`` and as a table beside it; returns the path of the table."""
    write_json(path, summary)
    rows = []
    for score, content in summary["scores"].items():
        rows += _rows(score, "pooled", "", content["pooled"])
        rows += _rows(score, "mean over cases", "", content["mean_over_cases"])
        for kind, mask in content["masks"].items():
            rows += _rows(score, "pooled", kind, mask["pooled"])
            rows += _rows(score, "mean over cases", kind, mask["mean_over_cases"])
    if floor := summary["strongest_floor"]:
        rows += _rows(f"map - {floor['score']}", "mean over cases", "", floor["map_minus_floor"])
    for case in summary["metric_per_case"]:
        for score, metrics in case["metrics"].items():
            for name, value in metrics.items():
                group = {name: value} if not isinstance(value, dict) else value
                kind = name.removeprefix("masks/") if isinstance(value, dict) else ""
                rows += [(score, case["identifier"], kind, k, v, None, None) for k, v in group.items()]
    columns = ("score", "case", "mask", "metric", "value", "low_95", "high_95")
    return write_csv_file(path.with_suffix(".csv"), columns, rows)


def _rows(score: str, case: str, mask: str, group: dict[str, dict[str, Any]]) -> list[tuple]:
    return [
        (score, case, mask, metric, entry["value"], *(entry["interval_95"] or (None, None)))
        for metric, entry in group.items()
    ]


def _pair(request: EvaluationRequest) -> tuple[dict[str, dict[str, Path]], dict[str, str]]:
    """Files of each case, and what is missing."""
    maps = probabilities_in(request.maps) if request.probabilities else maps_in(request.maps)
    labels = images_in(request.labels)
    masks = images_in(request.masks) if request.masks else {}
    images = channels_in(request.images) if request.images else {}
    files: dict[str, dict[str, Path]] = {}
    failed: dict[str, str] = {}
    for case in sorted(request.only or {*maps, *labels}):
        missing = [what for what, files_of in {"map": maps, "label": labels}.items() if case not in files_of]
        if request.masks and case not in masks:
            missing.append("mask")
        missing += [f"image of channel {k}" for k in request.channels if k not in images.get(case, {})]
        if missing:
            failed[case] = f"there is no {' and no '.join(missing)} of this case"
            continue
        files[case] = {"map": maps[case], "label": labels[case]}
        if request.masks:
            files[case]["mask"] = masks[case]
        files[case] |= {_channel(k): images[case][k] for k in request.channels}
    return files, failed


def _channel(index: int) -> str:
    return f"channel {index}"


def _read_all(
    request: EvaluationRequest,
    files: dict[str, dict[str, Path]],
    failed: dict[str, str],
    what: str,
    wanted: Collection[str] | None = None,
) -> Iterator[_Case]:
    """Cases one by one, with all scores or those wanted; cases that cannot be read are noted in ``failed``."""
    for identifier, paths in tqdm(files.items(), desc=what):
        try:
            case = _read(request, identifier, paths, wanted)
        except (ValueError, OSError, MemoryError) as error:
            failed[identifier] = str(error)
            continue
        yield case


def _read(request: EvaluationRequest, identifier: str, paths: dict[str, Path], wanted: Collection[str] | None) -> _Case:
    reference = paths["label"]
    labels = whole_numbers(read_values(reference), reference.name)
    valid = None if request.ignore_label is None else labels != request.ignore_label
    positive = _lesions(labels, valid, request)
    foreground = None
    if "mask" in paths:
        foreground = read_on_grid(paths["mask"], reference, request.resample) > 0.5
    if request.probabilities:
        values = lesion_probability(paths["map"], labels.shape, request.lesion_labels)
    else:
        values = read_on_grid(paths["map"], reference, request.resample)
    if values.min() == values.max():
        raise ValueError(f"{paths['map'].name} is {values.max():g} everywhere: an empty map ranks nothing.")
    scores = {MAP: _inside(values, foreground)}
    known, spacing = foreground, voxel_spacing(reference)
    for channel in request.channels:
        image = read_on_grid(paths[_channel(channel)], reference, request.resample)
        inside = image_foreground(image) if foreground is None else foreground
        known = inside if known is None else known | inside
        for floor in (f for f in request.floors if f.channel == channel):
            scores |= floor.maps(image, inside, spacing, wanted)
        for name in (n for n, k in request.baselines.items() if k == channel):
            scores[name] = equalised_intensity(image, inside)
    if known is None:
        known = image_foreground(values)
    return _Case(identifier, scores, positive, valid, known, spacing)


def _lesions(labels: np.ndarray, valid: np.ndarray | None, request: EvaluationRequest) -> np.ndarray:
    present = sorted({int(v) for v in np.unique(labels)} - {0, request.ignore_label})
    if not request.lesion_labels and set(present) - {1}:
        raise ValueError(
            f"the labels hold the values {present}, where 0 and 1 were expected. Say which are lesions: "
            f"--labels {' '.join(map(str, present))}"
        )
    positive = np.isin(labels, list(request.lesion_labels or (1,)))
    if valid is not None:
        positive &= valid
    if not positive.any() and not request.healthy_cases:
        raise ValueError("the labels hold no lesion voxel. If healthy cases belong to the test: --healthy-cases")
    return positive


def _inside(scores: np.ndarray, foreground: np.ndarray | None) -> np.ndarray:
    """Voxels outside the foreground count as score 0, or as the lowest score where there are negative ones."""
    if foreground is None:
        return scores
    return np.where(foreground, scores, min(0.0, float(scores.min()))).astype(np.float32)


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
