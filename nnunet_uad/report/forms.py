"""What the results of a study's jobs must hold: a damaged or impossible one is refused by name, never averaged."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from nnunet_uad.common.bounds import Bounds, Count, Finite, Seconds, Share
from nnunet_uad.common.json_files import read_mapping
from nnunet_uad.common.schema import build, refuse_unknown, shown
from nnunet_uad.metrics import segmentation
from nnunet_uad.metrics.lesion_recall import RATES, SIZES, recall_key
from nnunet_uad.metrics.lesions import LesionCounts
from nnunet_uad.metrics.reliability import RELIABILITY_EDGES
from nnunet_uad.metrics.segmentation import PRIMARY

_FIX = "Delete it, and the study makes it anew: nnunet_uad study run STUDY.yaml"
_RELIABILITY = ("voxels", "probability", "positives")
_ERRORS = Bounds(0, 1e12)
_Voxels = Annotated[float, Bounds(0, 1e15)]

#: Recalls of lesions, which scores of earlier versions lack.
_RECALLS = {recall_key(size, rate) for size in SIZES for rate in RATES}


@dataclass(frozen=True)
class SharesForm:
    """Shares of the parameters that start from pretrained weights.

    Attributes:
        encoder: Share of the encoder's.
        decoder: Share of the decoder's.
        all_but_heads: Share of all but the heads'.
    """

    encoder: Share
    decoder: Share
    all_but_heads: Share


@dataclass(frozen=True)
class TransferForm:
    """What became of the weights that a training started from.

    Attributes:
        share: Shares of the parameters.
        warnings: Sentences about weights that may not suit.
    """

    share: SharesForm
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class RestorerForm:
    """The frozen restorer of a training.

    Attributes:
        trainer: Name of its pretrainer.
        warnings: Sentences about a restorer that may not suit.
    """

    trainer: str
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ReportsForm:
    """Reports of a training.

    Attributes:
        transfer: Report of the weights that it started from, if there were any.
        restorer: Report of the frozen restorer, if there is one.
    """

    transfer: TransferForm | None = None
    restorer: RestorerForm | None = None


@dataclass(frozen=True)
class TrainingForm:
    """What ``training.json`` must hold, and the record of a pretraining.

    Attributes:
        seconds: Computing time, s.
        device: Name of the device.
        versions: Package → version.
        arm: Name of the arm; empty for a pretraining.
        reports: Reports of the weights and of the restorer.
        citation: Publication of the method; empty for a training.
    """

    seconds: Seconds
    device: str
    versions: dict[str, str]
    arm: str = ""
    reports: ReportsForm = ReportsForm()
    citation: str = ""


@dataclass(frozen=True)
class RowForm:
    """A tested case.

    Attributes:
        case: Identifier of the case.
        compared: Kind of comparison: class with class, or foreground with foreground.
        lesions: Counts of lesions and findings; none in files that were written before they were counted.
        reliability: Counts per bin of probability; none in files that were written before they were counted.
    """

    case: str
    compared: Literal["classes", "foreground"]
    lesions: dict[str, Count] = field(default_factory=dict)
    reliability: dict[str, list[_Voxels]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        refuse_unknown(self.lesions, [f.name for f in dataclasses.fields(LesionCounts)], "lesions")
        refuse_unknown(self.reliability, _RELIABILITY, "reliability")
        lacking = [name for name in _RELIABILITY if self.reliability and name not in self.reliability]
        if lacking:
            raise ValueError(f"reliability lacks {', '.join(lacking)}.")
        bins = len(RELIABILITY_EDGES) - 1
        for name, values in self.reliability.items():
            if len(values) != bins:
                raise ValueError(f"reliability: {name} expects {bins} numbers, found {len(values)}.")
        counts = LesionCounts(**self.lesions)
        if counts.found > counts.lesions or counts.correct > counts.findings:
            raise ValueError(f"lesions expects found <= lesions and correct <= findings, found {self.lesions}.")


@dataclass(frozen=True)
class ScoresForm:
    """What ``scores_DATASET.json`` must hold, besides the metrics of its rows.

    Attributes:
        rows: Tested cases.
        seconds: Computing time, s.
    """

    rows: list[RowForm]
    seconds: Seconds


@dataclass(frozen=True)
class MapScoreForm:
    """Scores of one kind of map.

    Attributes:
        pooled: Key of a metric → its value over all voxels, with an interval.
    """

    pooled: dict[str, dict[str, Any]]

    def __post_init__(self) -> None:
        for key in {"AP", "AUPRO", "best_dice_oracle", *(_RECALLS & set(self.pooled))}:
            value = self.pooled.get(key, {}).get("value", "none")
            if value is not None and not _fits(value, Bounds(0, 1)):
                raise ValueError(f"pooled: {key} expects {Bounds(0, 1)}, found {shown(value)}.")


@dataclass(frozen=True)
class MapCaseForm:
    """A case whose map was scored.

    Attributes:
        identifier: Identifier of the case.
        metrics: Kind of map → key of a metric → its value; of masks, kind of threshold → key → value.
    """

    identifier: str
    metrics: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class MapSummaryForm:
    """What ``nnunet_uad evaluate`` says of maps.

    Attributes:
        scores: Kind of map → its scores; ``map`` is the pretrainer's.
        metric_per_case: Scored cases.
    """

    scores: dict[str, dict[str, Any]]
    metric_per_case: list[MapCaseForm]

    def __post_init__(self) -> None:
        if "map" not in self.scores:
            raise ValueError("scores lacks map.")
        for name, entry in self.scores.items():
            build(MapScoreForm, entry, f"scores: {name}", ignore_unknown=True)
        for case in self.metric_per_case:
            for name in self.scores:
                value = case.metrics.get(name, {}).get("AP", "none")
                if value is not None and not _fits(value, Bounds(0, 1)):
                    raise ValueError(f"{case.identifier}: AP of {name} expects {Bounds(0, 1)}, found {shown(value)}.")


@dataclass(frozen=True)
class MapScoresForm:
    """What ``anomaly_DATASET.json`` must hold.

    Attributes:
        arm: Name of the arm.
        summary: Scores of its maps and of the floors.
        seconds: Computing time, s.
    """

    arm: str
    summary: MapSummaryForm
    seconds: Seconds


@dataclass(frozen=True)
class RobustTrainerForm:
    """A trainer's results.

    Attributes:
        clean: Key of a metric → its mean over images without artefacts.
        interval_95: Interval of the mean corruption error; ``None`` for a single case.
    """

    clean: dict[str, Annotated[float, Bounds(0, 1)] | None]
    interval_95: tuple[Finite, Finite] | None

    def __post_init__(self) -> None:
        if PRIMARY.key not in self.clean:
            raise ValueError(f"clean lacks {PRIMARY.key}.")


@dataclass(frozen=True)
class RobustnessForm:
    """What ``robustness.json`` must hold.

    Attributes:
        reference: Trainer that the others are compared with.
        cases: Number of cases.
        trainers: Name of a trainer → its results.
    """

    reference: str
    cases: Count
    trainers: dict[str, dict[str, Any]]

    def __post_init__(self) -> None:
        for name, entry in self.trainers.items():
            build(RobustTrainerForm, entry, f"trainers: {name}", ignore_unknown=True)
            error = entry.get("mean corruption error")
            if not _fits(error, _ERRORS):
                raise ValueError(f"trainers: {name}: mean corruption error expects {_ERRORS}, found {shown(error)}.")


def read_training(path: Path) -> dict[str, Any]:
    """The record of a training or pretraining.

    Args:
        path: File that the job wrote.

    Raises:
        ValueError: The file is damaged; names it and the key.
    """
    return read_mapping(path, _FIX, TrainingForm)


def read_scores(path: Path, tested: Collection[str]) -> dict[str, Any]:
    """The scores of a cell on a dataset.

    Args:
        path: File that the test wrote.
        tested: Cases that the cell is tested on.

    Raises:
        ValueError: The file is damaged, holds values that no metric has, a case twice, or a case that is none of those
            tested; names the file, the key, what is expected and what was found.
    """
    content = read_mapping(path, _FIX, ScoresForm)
    for row in content["rows"]:
        try:
            _check_metrics(row)
        except ValueError as error:
            raise ValueError(f"{path}: {row['case']}: {error} {_FIX}") from error
    cases = [row["case"] for row in content["rows"]]
    twice = sorted({case for case in cases if cases.count(case) > 1})
    if twice:
        raise ValueError(f"{path} holds {', '.join(twice)} twice. {_FIX}")
    others = [case for case in cases if case not in tested]
    if others:
        raise ValueError(
            f"{path} expects test cases of the cell ({shown(', '.join(sorted(tested)))}), found {', '.join(others)}. "
            f"{_FIX}"
        )
    return content


def read_map_scores(path: Path, tested: Collection[str]) -> dict[str, Any]:
    """The scores of the anomaly maps of an arm without labels on a dataset.

    Args:
        path: File that the job wrote.
        tested: Cases that are tested on.

    Raises:
        ValueError: The file is damaged, or its cases are not those that are tested; names the file and what was found.
    """
    content = read_mapping(path, _FIX, MapScoresForm)
    cases = [case["identifier"] for case in content["summary"]["metric_per_case"]]
    if sorted(cases) != sorted(tested):
        raise ValueError(
            f"{path} expects the test cases ({shown(', '.join(sorted(tested)))}), found "
            f"{shown(', '.join(sorted(cases)))}. {_FIX}"
        )
    return content


def read_robustness(path: Path) -> dict[str, Any]:
    """The summary that ``nnunet_uad robustness`` has left.

    Args:
        path: File of the summary.

    Raises:
        ValueError: The file is damaged; names it and the key.
    """
    return read_mapping(path, "Make it anew: nnunet_uad robustness, with the same -o.", RobustnessForm)


def _check_metrics(row: dict[str, Any]) -> None:
    """Values of the metrics of a case; all but the primary one may be missing, each may be undefined."""
    if PRIMARY.key not in row:
        raise ValueError(f"lacks {PRIMARY.key}.")
    for metric in segmentation.CASE_METRICS:
        value = row.get(metric.key)
        if value is not None and not _fits(value, metric.bounds):
            raise ValueError(f"{metric.key} expects {metric.bounds}, found {shown(value)}.")


def _fits(value: Any, bounds: Bounds) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value in bounds
