"""Score the test cases of a screen: a trained cell's segmentations, ranked with the maps of an arm without labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import blosc2
import numpy as np
from batchgenerators.utilities.file_and_folder_operations import load_pickle
from tqdm import tqdm

from nnunet_uad.common.json_files import read_mapping
from nnunet_uad.common.lock import file_lock
from nnunet_uad.data.image_files import MAP_SUFFIX
from nnunet_uad.data.probability_files import combined_probability
from nnunet_uad.evaluation.segmentation import read_case
from nnunet_uad.inference.model_plan import ModelPlan
from nnunet_uad.inference.segmenter import segmented
from nnunet_uad.metrics.segmentation import RANKING
from nnunet_uad.scoring.geometry import map_ending
from nnunet_uad.screening.calibration import Calibration, HealthyVoxels, combined
from nnunet_uad.screening.names import DEFAULT_MARGIN_MM
from nnunet_uad.study.layout import Cell, Layout, MapCell
from nnunet_uad.study.pins import SEG_ENDING
from nnunet_uad.study.running.predict_cell import cases_to_test, refuse_bad_cases
from nnunet_uad.study.running.score_maps import predict_maps

#: Labelled cases that a cell is calibrated on; more would change little and cost a prediction each.
MOST_CASES = 10


@dataclass(frozen=True)
class Screened:
    """A cell of a screen, ready to be scored.

    Attributes:
        layout: Folder of the study.
        cell: Cell of the screen.
        segments: Trained cell whose segmentations it has.
        maps: Arm without labels on the same outer fold.
        predictor: nnU-Net's predictor of the trained cell.
        calibration: Calibration of both models on the cell's labelled cases.
    """

    layout: Layout
    cell: Cell
    segments: Cell
    maps: MapCell
    predictor: Any
    calibration: Calibration

    @classmethod
    def of(cls, layout: Layout, cell: Cell, predictor: Any) -> Screened:
        """Calibrate a cell on the labels that it has.

        Args:
            layout: Folder of the study.
            cell: Cell of a screen.
            predictor: nnU-Net's predictor of the trained cell that it is made of.

        Raises:
            ValueError: The cell is trained itself, or no healthy voxel is labelled.
            RuntimeError: A labelled case has no map; says why.
        """
        parts = layout.parts(cell)
        if parts is None:
            raise ValueError(f"{cell.identifier} is trained; expected a cell of a screen.")
        return cls(layout, cell, *parts, predictor, _calibrated(layout, cell, parts[1], predictor))

    def score(self, dataset: str) -> list[dict[str, Any]]:
        """Rank the voxels of the test cases on a dataset by the combined score.

        The segmentations are the trained cell's, unchanged, and so is all that is measured of them. The combined score
        is no probability: there are no counts of reliability.

        Args:
            dataset: Name of the dataset to test on.

        Returns:
            A row per case, as :func:`~nnunet_uad.study.running.predict_cell.score_cell` returns them.

        Raises:
            ValueError: Images or labels are damaged, or the trained cell's scores lack a case; names it.
            FileNotFoundError: A segmentation, a map or an image is gone; says how to make it again.
        """
        rows = self._rows(dataset)
        ending = self.predictor.dataset_json["file_ending"]
        masks = self._made(self.segments.identifier, dataset, ending, self.layout.scores)
        maps = self._made(self.maps.identifier, dataset, _of_maps(self.predictor), self.layout.map_scores)
        cases = list(cases_to_test(self.layout, self.cell, dataset))
        refuse_bad_cases({case: (images, label) for case, images, label, _ in cases}, self.predictor)
        return [
            self._row(rows[case], masks[case], maps[case], images, label)
            for case, images, label, _ in tqdm(cases, desc=dataset)
        ]

    def _row(
        self, row: Mapping[str, Any], mask: Path, map_file: Path, images: Sequence[Path], label: Path
    ) -> dict[str, Any]:
        """The trained cell's row of a case with metrics of the combined score."""
        probabilities = segmented(self.predictor, images)[1]
        score = combined(_read_map(map_file, self.predictor), combined_probability(probabilities), self.calibration)
        case = read_case(mask, probabilities, label, self.predictor, by_class=False)
        kept = {key: value for key, value in row.items() if key != "reliability"}
        return {**kept, RANKING.key: RANKING.of(dataclasses.replace(case, probability=score))}

    def _rows(self, dataset: str) -> dict[str, dict[str, Any]]:
        """Case → row of the trained cell."""
        path = self.layout.scores(self.segments.identifier, dataset)
        rows = {row["case"]: row for row in read_mapping(path)["rows"]}
        lacking = [case for case in self.layout.tested(self.cell, dataset) if case not in rows]
        if lacking:
            raise ValueError(f"{path} lacks {', '.join(lacking)}. {_again(path)}")
        return rows

    def _made(self, identifier: str, dataset: str, ending: str, scores: Callable[[str, str], Path]) -> dict[str, Path]:
        """Case → what the job of a part has left of it."""
        folder = self.layout.cell_folder(identifier) / dataset
        files = {case: folder / f"{case}{ending}" for case in self.layout.tested(self.cell, dataset)}
        lacking = [case for case, path in files.items() if not path.is_file()]
        if lacking:
            fix = _again(scores(identifier, dataset))
            raise FileNotFoundError(f"{folder} holds nothing of {', '.join(lacking)} any more. {fix}")
        return files


def _again(path: Path) -> str:
    return f"Delete {path}, and the study makes it anew: nnunet_uad study run STUDY.yaml"


def calibration_cases(layout: Layout, cell: Cell) -> list[str]:
    """The labelled cases of a cell that it is calibrated on: all, or :data:`MOST_CASES` spread over lesion volumes.

    Args:
        layout: Folder of the study.
        cell: Cell of the study.
    """
    volumes = layout.plan["volumes_mm3"]
    cases = sorted(cell.fold["slices"] or cell.fold["train"], key=lambda case: (volumes[case], case))
    if len(cases) <= MOST_CASES:
        return cases
    return [cases[round(k * (len(cases) - 1) / (MOST_CASES - 1))] for k in range(MOST_CASES)]


def _calibrated(layout: Layout, cell: Cell, maps: MapCell, predictor: Any) -> Calibration:
    """Only labels that the cell has are looked at. Both models know these cases: their errors are optimistic."""
    dataset = layout.plan["dataset"]
    # Cells of other budgets and draws have cases in common: their maps are made once.
    labelled = dataclasses.replace(maps, name=f"{maps.name}_labelled", val=tuple(calibration_cases(layout, cell)))
    lock = layout.folder / "locks" / f"map__{labelled.identifier.replace('/', '__')}"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with file_lock(lock, f"maps of labelled cases are being made for {maps.identifier}", wait=True):
        (identifier,) = layout.needed(maps).values()
        predict_maps(layout, labelled, dataset, identifier, layout.study.label_free[maps.arm].settings)
    folder = layout.cell_folder(labelled.identifier) / dataset
    voxels = {}
    for case, images, label, _ in tqdm(list(cases_to_test(layout, labelled, dataset)), desc="calibrating"):
        reader = predictor.plans_manager.image_reader_writer_class()
        truth, properties = reader.read_seg(str(label))
        scores = _read_map(folder / f"{case}{_of_maps(predictor)}", predictor)
        healthy = (scores > 0) & (truth[0] == 0) & _annotated(layout, cell, case, predictor, truth[0].shape)
        marked = segmented(predictor, images)[0] > 0
        try:
            # What labels explain, not what is segmented: a network of few steps may mark all that there is.
            left = HealthyVoxels.of(scores, truth[0] > 0, healthy, properties["spacing"], DEFAULT_MARGIN_MM)
        except ValueError as error:
            raise ValueError(f"{cell.identifier} cannot be calibrated on {case}: {error}") from error
        voxels[case] = dataclasses.replace(left, marked=int(np.count_nonzero(healthy & marked)))
    return Calibration.of(voxels, DEFAULT_MARGIN_MM)


def _annotated(layout: Layout, cell: Cell, case: str, predictor: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Mask of the voxels of a raw image that are annotated: all, or those of the cell's slices."""
    slices = cell.fold["slices"].get(case)
    if slices is None:
        return np.ones(shape, bool)
    folder = Path(layout.request["paths"]["nnUNet_preprocessed"]) / layout.plan["dataset"]
    data = folder / predictor.configuration_manager.data_identifier
    mask = np.zeros(blosc2.open(urlpath=str(data / f"{case}{SEG_ENDING}"), mode="r").shape, np.float32)
    mask[:, slices] = 1
    plan = ModelPlan(predictor.plans_manager, predictor.configuration_manager, predictor.dataset_json)
    return plan.original_geometry(mask, load_pickle(str(data / f"{case}.pkl")))[0] > 0.5


def _of_maps(predictor: Any) -> str:
    """End of the name of a map, behind the case's."""
    return MAP_SUFFIX + map_ending(predictor.dataset_json["file_ending"])


def _read_map(path: Path, predictor: Any) -> np.ndarray:
    """A map (z, y, x) with the axes of the predictor's probabilities."""
    reader = predictor.plans_manager.image_reader_writer_class()
    return np.asarray(reader.read_images([str(path)])[0][0])
