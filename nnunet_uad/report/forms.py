"""What the results of a study's jobs must hold: a damaged or impossible one is refused by name, never averaged."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from nnunet_uad.common.bounds import Bounds, Count, Seconds
from nnunet_uad.common.json_files import read_mapping
from nnunet_uad.common.schema import refuse_unknown, shown
from nnunet_uad.metrics import segmentation
from nnunet_uad.metrics.lesions import LesionCounts
from nnunet_uad.metrics.reliability import RELIABILITY_EDGES
from nnunet_uad.metrics.segmentation import PRIMARY

_FIX = "Delete it, and the study makes it anew: nnunet_uad study run STUDY.yaml"
_RELIABILITY = ("voxels", "probability", "positives")
_Voxels = Annotated[float, Bounds(0, 1e15)]


@dataclass(frozen=True)
class TrainingForm:
    """What ``training.json`` must hold, and the record of a pretraining.

    Attributes:
        seconds: Computing time, s.
        device: Name of the device.
        versions: Package → version.
        arm: Name of the arm; empty for a pretraining.
        reports: Name of a report → its content: from which weights, with which restorer.
        citation: Publication of the method; empty for a training.
    """

    seconds: Seconds
    device: str
    versions: dict[str, str]
    arm: str = ""
    reports: dict[str, dict[str, Any]] = field(default_factory=dict)
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
class RobustnessForm:
    """What ``robustness.json`` must hold.

    Attributes:
        reference: Trainer that the others are compared with.
        cases: Number of cases.
        trainers: Name of a trainer → its results.
    """

    reference: str
    cases: Count
    trainers: dict[str, RobustTrainerForm]


@dataclass(frozen=True)
class RobustTrainerForm:
    """A trainer's results.

    Attributes:
        clean: Key of a metric → its mean over images without artefacts.
        interval_95: Interval of the mean corruption error; ``None`` for a single case.
    """

    clean: dict[str, Annotated[float, Bounds(0, 1)] | None]
    interval_95: tuple[float, float] | None

    def __post_init__(self) -> None:
        if PRIMARY.key not in self.clean:
            raise ValueError(f"clean lacks {PRIMARY.key}.")


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
    content = read_mapping(path, _FIX, _scores_form(segmentation.CASE_METRICS))
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


def read_robustness(path: Path) -> dict[str, Any]:
    """The summary that ``nnunet_uad robustness`` has left.

    Args:
        path: File of the summary.

    Raises:
        ValueError: The file is damaged; names it and the key.
    """
    return read_mapping(path, "Make it anew: nnunet_uad robustness, with the same -o.", RobustnessForm)


@functools.cache
def _scores_form(metrics: tuple[Any, ...]) -> type:
    """What ``scores_DATASET.json`` must hold: rows with these metrics; all but the primary one may be missing."""
    values = [(m.key, Annotated[float, m.bounds] | None) for m in metrics]
    fields = [(key, kind) if key == PRIMARY.key else (key, kind, field(default=None)) for key, kind in values]
    row: Any = dataclasses.make_dataclass("Row", fields, bases=(RowForm,), frozen=True, kw_only=True)
    return dataclasses.make_dataclass("Scores", [("rows", list[row]), ("seconds", Seconds)], frozen=True)
