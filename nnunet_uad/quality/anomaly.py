"""How anomalous a scan is as a whole: the middle of its anomaly map beside those of the pretrainer's validation."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnunet_uad.data.image_files import MAP_SUFFIX, read_values
from nnunet_uad.inference.model import ModelRequest
from nnunet_uad.inference.predict import PredictRequest, predict_folder, wanted_score
from nnunet_uad.quality.calibration import conformal_limit, refuse_fold_all
from nnunet_uad.quality.descriptors import ANOMALY
from nnunet_uad.quality.findings import Finding
from nnunet_uad.quality.names import OK, UNFIT
from nnunet_uad.screening.map_folders import MapScore, validation_command

#: Validation maps that a limit needs.
LEAST_MAPS = 2
_STRANGE = (
    "The pretrainer finds all of it more anomalous than any scan like those it was validated on: another sequence, "
    "preparation or anatomy, or much noise. Look at the map."
)
Say = Callable[[str], object]


@dataclass(frozen=True)
class AnomalyLimit:
    """What scores of whole scans are common.

    Attributes:
        limit: Largest score that is within the rate.
        rate: Share of scans like those of the validation that lies above at most.
        middle: Median of the validation's scores.
        count: Number of the validation's maps.
    """

    limit: float
    rate: float
    middle: float
    count: int

    @classmethod
    def of(cls, model: ModelRequest, rate: float) -> AnomalyLimit:
        """The limit that the validation maps of a pretrainer give.

        Args:
            model: Pretrainer, whose folds have been validated.
            rate: Wanted share of false alarms.

        Raises:
            ValueError: There are too few maps, or they were scored otherwise; names the command that makes them. Or
                fold ``all`` is among the folds.
            FileNotFoundError: There is no such model, or a fold lacks the checkpoint.
        """
        folds = model.fold_folders()
        refuse_fold_all(folds, "-f-map")
        restorer = model.load()
        score = MapScore.of(wanted_score("", restorer), restorer.scorer)
        maps = {case: path for fold in folds for case, path in score.maps_of(fold).items()}
        if len(maps) < LEAST_MAPS:
            raise ValueError(
                f"The anomaly score of a scan is compared with those of the pretrainer's validation, {LEAST_MAPS} maps "
                f"or more, found {len(maps)} in {folds[0].parent}. To make them: {validation_command(folds[0])}"
            )
        scores = np.array([scan_score(path) for path in maps.values()])
        limit, promised = conformal_limit(scores, rate)
        return cls(limit, promised, float(np.median(scores)), len(scores))

    def finding(self, score: float) -> Finding:
        """What is said of a scan.

        Args:
            score: Score of the scan.
        """
        reach = self.limit - self.middle
        strange = (score - self.middle) / reach if reach > 0 else float(score > self.limit) * 2
        verdict = UNFIT if score > self.limit else OK
        words = "median of the anomaly map"
        sentence = _STRANGE if verdict == UNFIT else ""
        return Finding(ANOMALY, verdict, words, score, None, self.limit, "", strange, sentence)


def scan_score(path: Path) -> float:
    """Score of a scan: the median of its anomaly map over the foreground, where the map is above 0.

    A lesion, be it large, does not move the median; what ails the whole scan does.

    Args:
        path: File of the map.

    Raises:
        ValueError: The file is damaged.
    """
    values = read_values(path)
    inside = values > 0
    return float(np.median(values[inside])) if inside.any() else 0.0


def anomaly_findings(
    model: ModelRequest, images: Path, maps: Path, limit: AnomalyLimit, cases: Collection[str], say: Say
) -> tuple[dict[str, Finding], Mapping[str, str]]:
    """Make the maps of a folder of scans, those that an interrupted run has left out, and judge them.

    Args:
        model: Pretrainer that makes the maps.
        images: Folder of raw images.
        maps: Folder for the maps.
        limit: Limit of the scores.
        cases: Identifiers of the scans that are to be judged.
        say: Function that is told what the user should know.

    Returns:
        Finding by scan, and reasons why scans failed.
    """
    fields = {f.name: getattr(model, f.name) for f in dataclasses.fields(ModelRequest)}
    result = predict_folder(PredictRequest(**fields, images=images, output=maps), say)
    done = {*result.written, *result.kept} & set(cases)
    files = {case: next(maps.glob(f"{case}{MAP_SUFFIX}.*")) for case in sorted(done)}
    found = {case: limit.finding(scan_score(path)) for case, path in files.items()}
    return found, {case: reason for case, reason in result.failed.items() if case in cases}
