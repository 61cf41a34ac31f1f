"""Where a map becomes a mask: thresholds chosen beforehand and kept with the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nnunet_uad.common.bounds import ANY_FINITE
from nnunet_uad.common.files import write_json
from nnunet_uad.common.json_files import read_mapping
from nnunet_uad.common.schema import shown
from nnunet_uad.metrics.curves import Curve, best_dice, threshold_at_fpr
from nnunet_uad.metrics.histogram import ScoreHistogram
from nnunet_uad.scoring.score_settings import same_score

#: In a fold's folder, written by the pretrainer's validation.
THRESHOLDS_FILE = "anomaly_thresholds.json"
#: False-positive rates on healthy voxels of the foreground.
FALSE_POSITIVE_RATES = (0.05, 0.01, 0.001)
BEST = "best"
_FIX = "Make it anew: nnUNetv2_train … -tr PRETRAINER --val"


@dataclass(frozen=True)
class StoredThreshold:
    """A threshold as files keep it.

    Attributes:
        value: Least score of a marked voxel; infinite where no voxel is to be marked.
        cases: Cases that it was chosen on.
        how: Rule by which it was chosen.
    """

    value: float
    cases: list[str]
    how: str = ""

    def __post_init__(self) -> None:
        if np.isnan(self.value):
            raise ValueError("value expects a number, found nan.")


@dataclass(frozen=True)
class MapsForm:
    """What records of maps must hold.

    Attributes:
        thresholds: Name → threshold.
    """

    thresholds: dict[str, StoredThreshold]


@dataclass(frozen=True)
class ThresholdsForm(MapsForm):
    """Thresholds of one score.

    Attributes:
        score: Settings of the score that they belong to.
    """

    score: dict[str, Any]


@dataclass(frozen=True)
class ThresholdsFileForm(ThresholdsForm):
    """What files of thresholds must hold: those of the model's own score, and of others.

    Attributes:
        further: Thresholds of further scores; files of earlier versions have none.
    """

    further: list[ThresholdsForm] = field(default_factory=list)


class ThresholdChoice:
    """Collects the maps of validation cases and chooses thresholds from them."""

    def __init__(self) -> None:
        self._histogram = ScoreHistogram()
        self._healthy: list[str] = []
        self._labelled: list[str] = []

    def add(self, identifier: str, scores: np.ndarray, foreground: np.ndarray, lesion: np.ndarray | None) -> None:
        """Count the foreground voxels of a case.

        Args:
            identifier: Name of the case.
            scores: Anomaly map of the case, of any shape.
            foreground: Mask of the same shape, of the voxels inside the image.
            lesion: Mask of the same shape; ``None`` for a case that nobody labelled, all of which is taken
                for healthy.
        """
        positive = np.zeros_like(foreground) if lesion is None else lesion
        self._histogram.add(scores[foreground], positive[foreground])
        (self._healthy if lesion is None else self._labelled).append(identifier)

    @classmethod
    def of(cls, parts: Sequence[ThresholdChoice]) -> ThresholdChoice:
        """All parts taken together.

        Args:
            parts: Choices that collected different cases.
        """
        whole = cls()
        for part in parts:
            whole._histogram.merge(part._histogram)
            whole._healthy += part._healthy
            whole._labelled += part._labelled
        return whole

    def thresholds(self) -> dict[str, dict[str, Any]]:
        """Name → value, the cases it was chosen on, and how: ``fpr:R`` for each rate; ``best`` if there are lesions."""
        curve = Curve.of(self._histogram)
        cases = sorted([*self._healthy, *self._labelled])
        result: dict[str, dict[str, Any]] = {}
        if curve.negatives:
            for rate in FALSE_POSITIVE_RATES:
                result[f"fpr:{rate:g}"] = {
                    "value": threshold_at_fpr(curve, rate),
                    "cases": cases,
                    "how": f"{rate:g} of the foreground voxels outside lesions of the validation cases are above",
                }
        dice, threshold = best_dice(curve)
        if not np.isnan(dice):
            how = f"best Dice ({dice:.3f}) on the validation cases"
            result[BEST] = {"value": threshold, "cases": sorted(self._labelled), "how": how}
        return result


def write_thresholds(
    folder: Path, thresholds: dict[str, Any], score: dict[str, Any], further: Sequence[dict[str, Any]] = ()
) -> None:
    """Keep thresholds with the score that they belong to.

    Args:
        folder: Folder of a fold.
        thresholds: Thresholds by name (:meth:`ThresholdChoice.thresholds`).
        score: Settings of the score as JSON.
        further: Thresholds of further scores, as ``{"thresholds": …, "score": …}``; earlier versions look past them.
    """
    write_json(folder / THRESHOLDS_FILE, {"thresholds": thresholds, "score": score, "further": list(further)})


def stored_thresholds(folders: Sequence[Path], score: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Thresholds that all of the folds have, averaged over them; none if one of them scored otherwise.

    Args:
        folders: Folders of the folds.
        score: Settings of the score as JSON; a threshold of another score means nothing.

    Raises:
        ValueError: A file is damaged; names it and the key.
    """
    found = []
    for folder in folders:
        path = folder / THRESHOLDS_FILE
        thresholds = _of_score(read_mapping(path, _FIX, ThresholdsFileForm), score) if path.is_file() else None
        if thresholds is None:
            return {}
        found.append(thresholds)
    return {
        name: {
            "value": float(np.mean([thresholds[name]["value"] for thresholds in found])),
            "cases": sorted({c for thresholds in found for c in thresholds[name]["cases"]}),
            "how": found[0][name].get("how", ""),
        }
        for name in sorted(set.intersection(*map(set, found)))
    }


def _of_score(content: dict[str, Any], score: dict[str, Any]) -> dict[str, Any] | None:
    """Thresholds of a score out of a file's content; ``None`` if it has none."""
    entries = (content, *content.get("further", ()))
    return next((dict(e["thresholds"]) for e in entries if same_score(e["score"], score)), None)


def refuse_infinite(wanted: str) -> None:
    """Refuse a threshold that is a number, but none that a score can reach.

    Args:
        wanted: Number, or name of a stored threshold.

    Raises:
        ValueError: It is not finite.
    """
    try:
        value = float(wanted)
    except ValueError:
        return
    if value not in ANY_FINITE:
        raise ValueError(f"--threshold expects {ANY_FINITE}, or the name of a stored one, found {shown(wanted)}.")


def resolve_threshold(wanted: str, stored: dict[str, dict[str, Any]]) -> float:
    """The threshold that a user asks for.

    Args:
        wanted: Number, or name of a stored threshold.
        stored: Thresholds by name (:func:`stored_thresholds`).

    Raises:
        ValueError: It is neither, or not finite.
    """
    if wanted in stored:
        return float(stored[wanted]["value"])
    refuse_infinite(wanted)
    try:
        return float(wanted)
    except ValueError as error:
        known = ", ".join(stored) or "none (the model has no validation with this score)"
        raise ValueError(
            f"--threshold expects a number or the name of a threshold stored with the model, found {wanted!r}. "
            f"Stored: {known}. To store those of the training's score and of small-lesions: nnUNetv2_train … "
            "-tr PRETRAINER --val. Of another score give a number."
        ) from error
