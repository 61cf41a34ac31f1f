"""What is written of a screened case: segmentation, unknown findings, maps, a montage and the findings' rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nnunet_uad.common.classes import class_names
from nnunet_uad.common.files import write_json
from nnunet_uad.common.json_files import read_as
from nnunet_uad.common.whole_image import atomic_image
from nnunet_uad.inference.case import ReconstructedCase
from nnunet_uad.inference.inputs import INPUTS_FILE
from nnunet_uad.inference.scorer import Scorer
from nnunet_uad.scoring.geometry import map_ending, write_volume
from nnunet_uad.scoring.score_settings import ScoreSettings, main_channel
from nnunet_uad.screening.calibration import Calibration, combined
from nnunet_uad.screening.explained import explained, unknown
from nnunet_uad.screening.findings import Case, Finding, findings_of, voxel_size
from nnunet_uad.screening.models import Plans, Segmented
from nnunet_uad.screening.montage import write_montage
from nnunet_uad.screening.names import KINDS, RECORD

#: Folder of the cases' rows.
_ROWS = "cases"


@dataclass(frozen=True)
class CaseRow:
    """What is kept of a finished case, beside its images.

    Attributes:
        called_unknown: Share of the foreground that is anomalous and not explained, before small findings are dropped:
            what the promised rate is about.
        findings: Findings, the highest score first.
    """

    called_unknown: float
    findings: list[Finding]


@dataclass(frozen=True)
class ScreenExporter:
    """Writes cases into a folder, whole files only; travels to worker processes.

    Attributes:
        folder: Folder to write into.
        kinds: Kinds of files to write, out of :data:`~nnunet_uad.screening.names.KINDS`.
        plans: Plans of both models.
        scorer: Way of scoring.
        settings: Settings of the score.
        calibration: Calibration of both models.
        threshold: Least score of an anomalous voxel.
        min_mm3: Volume below which unknown findings are dropped, mm³.
    """

    folder: Path
    kinds: Sequence[str]
    plans: Plans
    scorer: Scorer
    settings: ScoreSettings
    calibration: Calibration
    threshold: float
    min_mm3: float

    def paths(self, identifier: str, kinds: Sequence[str] | None = None) -> dict[str, Path]:
        """Kind → file of a case.

        Args:
            identifier: Identifier of the case.
            kinds: Kinds that are wanted; those of the exporter if omitted.
        """
        ending = self.plans.known.file_ending
        names = {
            "segmentation": ending,
            "unknown": f"_unknown{ending}",
            "map": f"_map{map_ending(ending)}",
            "combined": f"_combined{map_ending(ending)}",
            "png": "_montage.png",
        }
        wanted = self.kinds if kinds is None else kinds
        return {kind: self.folder / f"{identifier}{names[kind]}" for kind in KINDS if kind in wanted}

    def row_path(self, identifier: str) -> Path:
        """File of a case's row, which is written last.

        Args:
            identifier: Identifier of the case.
        """
        return self.folder / _ROWS / f"{identifier}.json"

    def rows(self) -> dict[str, CaseRow]:
        """The rows of all finished cases in the folder, of earlier runs, too.

        Raises:
            ValueError: A file is damaged.
        """
        fix = "Remove it, and run the same again."
        cases = [path.name.removesuffix(".json") for path in sorted((self.folder / _ROWS).glob("[!.]*.json"))]
        return {case: read_as(CaseRow, self.row_path(case), fix) for case in cases if self.is_done(case)}

    def forget(self, half_made: Collection[str] = ()) -> None:
        """Delete all files of all cases, so that every one is made again, and none is taken for made as now.

        Args:
            half_made: Identifiers of cases that may have files without a row, as after a kill.
        """
        finished = [path.name.removesuffix(".json") for path in (self.folder / _ROWS).glob("[!.]*.json")]
        for case in (*finished, *half_made):
            self.remove(case)

    def refuse_others(self, cases: Collection[str]) -> None:
        """Refuse to replace or to delete files of the cases' names in a folder that was never screened into.

        Args:
            cases: Identifiers of the cases.

        Raises:
            ValueError: There are such files, as labels or predictions; names some.
        """
        if any((self.folder / name).is_file() for name in (RECORD, INPUTS_FILE)):
            return
        there = [path.name for case in cases for path in self.paths(case, KINDS).values() if path.exists()]
        if there:
            raise ValueError(
                f"{self.folder} holds files that would be replaced, and that this command did not write: "
                f"{', '.join(there[:5])}{' …' if len(there) > 5 else ''}. Choose another -o."
            )

    def is_done(self, identifier: str) -> bool:
        """Whether all files of a case exist; each is written whole.

        Args:
            identifier: Identifier of the case.
        """
        return all(path.exists() for path in (*self.paths(identifier).values(), self.row_path(identifier)))

    def remove(self, identifier: str) -> None:
        """Delete all files of a case, of every kind.

        Args:
            identifier: Identifier of the case.
        """
        for path in (self.row_path(identifier), *self.paths(identifier, KINDS).values()):
            path.unlink(missing_ok=True)

    def write(self, computed: tuple[Segmented, ReconstructedCase]) -> None:
        """Finish a case and write its files.

        Args:
            computed: Logits of the supervised model, and what the pretrainer says.
        """
        segmented, reconstructed = computed
        scored = self.scorer.scored(reconstructed, self.settings)
        (scores,) = self.plans.map.original_geometry(scored.score[None], scored.properties)
        case, share = self.judge(self.segmentation(segmented), scores, segmented.properties)
        findings, numbers = findings_of(case, class_names(self.plans.known.dataset), self.min_mm3)
        paths = self.paths(scored.identifier)
        # Last of all the row: a case without it is made again.
        self.row_path(scored.identifier).unlink(missing_ok=True)
        for kind, labels in {"segmentation": case.segmentation, "unknown": numbers}.items():
            if kind in paths:
                self._write_labels(labels, case.properties, paths[kind])
        for kind, values in {"map": case.scores, "combined": case.combined}.items():
            if kind in paths:
                write_volume(values, dict(case.properties), paths[kind])
        if "png" in paths:
            names = self.plans.map.channel_names
            channel = main_channel(self.settings.channel_weights, names)
            (image,) = self.plans.map.original_geometry(scored.image[channel][None], scored.properties)
            write_montage(case, image, f"{scored.identifier}   {names[channel]}", findings, numbers > 0, paths["png"])
        self.row_path(scored.identifier).parent.mkdir(exist_ok=True)
        row = CaseRow(share, findings)
        write_json(self.row_path(scored.identifier), dataclasses.asdict(row))

    def judge(self, segmentation: np.ndarray, scores: np.ndarray, properties: dict[str, Any]) -> tuple[Case, float]:
        """Known and unknown of a case, and the share of the foreground that is called unknown.

        Args:
            segmentation: Labels (z, y, x) of the supervised model, on the grid of the image.
            scores: Anomaly map of the same shape.
            properties: Mapping that nnU-Net stored when it read the case.
        """
        known = segmentation > 0
        near = explained(known, voxel_size(properties), self.calibration.margin_mm)
        mask = unknown(scores, near, self.threshold)
        share = int(np.count_nonzero(mask)) / max(1, int(np.count_nonzero(scores > 0)))
        return Case(segmentation, mask, scores, combined(scores, known, self.calibration), properties), share

    def segmentation(self, segmented: Segmented) -> np.ndarray:
        """Labels (z, y, x) on the grid of the raw image, as nnUNetv2_predict makes them.

        Args:
            segmented: Logits of the supervised model.
        """
        from nnunetv2.inference.export_prediction import convert_predicted_logits_to_segmentation_with_correct_shape

        plan = self.plans.known
        manager = plan.plans.get_label_manager(plan.dataset)
        labels = convert_predicted_logits_to_segmentation_with_correct_shape(
            segmented.logits, plan.plans, plan.configuration, manager, segmented.properties
        )
        return np.asarray(labels)

    def _write_labels(self, labels: np.ndarray, properties: Any, path: Path) -> None:
        with atomic_image(path) as temporary:
            self.plans.known.plans.image_reader_writer_class().write_seg(labels, str(temporary), properties)
