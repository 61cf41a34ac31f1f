"""Where a calibration comes from: the validation files of both models, of cases that neither was trained on."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from nnunet_uad.common.nnunet import ModelFolder
from nnunet_uad.data.grids import grid_difference, voxel_spacing
from nnunet_uad.data.image_files import read_values
from nnunet_uad.data.raw_files import whole_numbers
from nnunet_uad.screening.calibration import HealthyVoxels
from nnunet_uad.screening.map_folders import MapScore, validation_command
from nnunet_uad.screening.unseen import UnseenCases

#: Cases that a promise needs: one to choose a threshold on, and one to check it on.
LEAST_CASES = 2
Say = Callable[[str], object]


@dataclass(frozen=True)
class ValidatedCase:
    """The validation files of a case that both models were validated on.

    Attributes:
        scores: File of the pretrainer's map.
        segmentation: File of the supervised model's segmentation.
        label: File of the labels.
    """

    scores: Path
    segmentation: Path
    label: Path

    def count(self, margin_mm: float) -> HealthyVoxels:
        """Count the healthy voxels: where the map is above 0 and the label is 0, neither lesion nor ignored.

        Args:
            margin_mm: Margin around the segmentation that it explains, mm.

        Raises:
            ValueError: A file is damaged or lies on another grid, or no voxel is healthy.
        """
        for path in (self.scores, self.segmentation):
            if difference := grid_difference(path, self.label):
                raise ValueError(f"{path} has {difference}, as in {self.label}")
        scores = read_values(self.scores).astype(np.float32, copy=False)
        labels, known = (whole_numbers(read_values(p), p.name) for p in (self.label, self.segmentation))
        known = known > 0
        healthy = (scores > 0) & (labels == 0)
        return HealthyVoxels.of(scores, known, healthy, voxel_spacing(self.label), margin_mm)


@dataclass(frozen=True)
class Validations:
    """The trained folds of both models.

    Attributes:
        known: Folders of the folds of the supervised model.
        map: Folders of the folds of the pretrainer.
        dataset: Content of the supervised model's ``dataset.json``.
        score: Score of the maps.
        labels: Folder of the labels; if ``None`` those of the dataset in nnU-Net's folders.
    """

    known: Sequence[Path]
    map: Sequence[Path]
    dataset: Mapping[str, Any]
    score: MapScore
    labels: Path | None = None

    def cases(self, say: Say) -> dict[str, ValidatedCase]:
        """The cases that may calibrate: validated by both models, seen by neither, with labels.

        Args:
            say: Function that is told which cases are left out, and what could not be checked.

        Raises:
            ValueError: There are too few, or the maps were scored otherwise; names the command that makes them.
        """
        maps = self._maps(say)
        segmentations = self._segmentations(say)
        common = sorted(set(maps) & set(segmentations))
        unseen = UnseenCases(self.known, self.map)
        for warning in unseen.unchecked():
            say(warning)
        seen = {c: why for c in common if (why := unseen.why_not(c, _fold(maps[c]), _fold(segmentations[c])))}
        if seen:
            say(f"{len(seen)} validation case(s) do not calibrate: {_listed(seen)}")
        chosen = [case for case in common if case not in seen]
        if len(chosen) < LEAST_CASES:
            raise ValueError(
                f"A calibration needs {LEAST_CASES} cases or more that both models were validated on and neither was "
                f"trained on; found {len(chosen)} ({len(maps)} with a map in {self._places(self.map)}, "
                f"{len(segmentations)} with a segmentation in {self._places(self.known)}). Validate both on the same "
                f"cases, with the same splits: {self._commands}"
            )
        labels = self._labels(chosen)
        return {c: ValidatedCase(maps[c], segmentations[c], labels[c]) for c in chosen}

    def count(self, cases: Mapping[str, ValidatedCase], margin_mm: float, say: Say) -> dict[str, HealthyVoxels]:
        """Count the healthy voxels of cases; one that cannot be read is left out, and the user is told.

        Args:
            cases: Files by case.
            margin_mm: Margin around the segmentation that it explains, mm.
            say: Function that is told which cases are left out.

        Raises:
            ValueError: Too few cases are left.
        """
        found, failed = {}, {}
        for case, files in tqdm(cases.items(), desc="calibrating"):
            try:
                found[case] = files.count(margin_mm)
            except (ValueError, OSError) as error:
                failed[case] = str(error)
        if failed:
            say(f"WARNING: {len(failed)} validation case(s) do not calibrate: {_listed(failed)}")
        if len(found) < LEAST_CASES:
            raise ValueError(
                f"A calibration needs {LEAST_CASES} cases or more, found {len(found)} of {len(cases)} that can be "
                f"used: {_listed(failed)} Validate again: {self._commands}"
            )
        return found

    def _maps(self, say: Say) -> dict[str, Path]:
        """Case → map of the first fold that was validated on it."""
        found: dict[str, Path] = {}
        for fold in self.map:
            maps = self.score.maps_of(fold)
            if not maps:
                say(f"WARNING: {fold / 'validation'} holds no maps; to make them: {validation_command(fold)}")
            found = {**maps, **found}
        return found

    def _segmentations(self, say: Say) -> dict[str, Path]:
        """Case → segmentation of the first fold that was validated on it."""
        ending = self.dataset["file_ending"]
        found: dict[str, Path] = {}
        for fold in self.known:
            files = [p for p in sorted((fold / "validation").glob("[!.]*")) if p.name.endswith(ending)]
            if not files:
                say(f"WARNING: {fold / 'validation'} holds no segmentations; to make them: {validation_command(fold)}")
            found = {**{p.name.removesuffix(ending): p for p in files}, **found}
        return found

    def _labels(self, cases: Sequence[str]) -> dict[str, Path]:
        """Case → labels, of the preprocessed dataset or of the raw one.

        Raises:
            ValueError: Some are missing; names where they were looked for.
        """
        dataset = ModelFolder.from_path(self.known[0].parent).dataset
        variables = {"nnUNet_preprocessed": "gt_segmentations", "nnUNet_raw": "labelsTr"}
        own = [Path(os.environ[name]) / dataset / sub for name, sub in variables.items() if os.environ.get(name)]
        folders = own if self.labels is None else [self.labels]
        found: dict[str, Path] = {}
        for case in cases:
            files = [f / f"{case}{self.dataset['file_ending']}" for f in folders]
            if there := [path for path in files if path.is_file()]:
                found[case] = there[0]
        if missing := [case for case in cases if case not in found]:
            places = " or ".join(map(str, folders)) or "no folder: neither nnUNet_preprocessed nor nnUNet_raw is set"
            raise ValueError(
                f"The labels of {len(missing)} validation case(s) are missing: {', '.join(missing[:5])}. Expected in "
                f"{places}. Name their folder: --labels FOLDER; or set nnUNet_preprocessed or nnUNet_raw to where "
                f"{dataset} is."
            )
        return found

    @property
    def _commands(self) -> str:
        return "; ".join(validation_command(folds[0]) for folds in (self.known, self.map))

    @staticmethod
    def _places(folds: Sequence[Path]) -> str:
        return f"{folds[0].parent} ({', '.join(f.name for f in folds)})"


def _fold(path: Path) -> Path:
    """Folder of the fold that a validation file lies in."""
    return next(folder for folder in path.parents if folder.name.startswith("fold_"))


def _listed(reasons: Mapping[str, str]) -> str:
    few = [f"{case} ({reason})" for case, reason in list(reasons.items())[:5]]
    return ", ".join(few) + (f" and {len(reasons) - 5} more." if len(reasons) > 5 else ".")
