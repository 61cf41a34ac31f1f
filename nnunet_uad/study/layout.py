"""Where a study keeps what, and what its jobs are: read by the workflow, so nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nnunet_uad.common.json_files import read_mapping
from nnunet_uad.common.schema import build, shown
from nnunet_uad.common.slugs import slug
from nnunet_uad.study.arms import Arm
from nnunet_uad.study.forms import PlanForm, RequestForm
from nnunet_uad.study.study_file import Study

PLAN_FILE = "study.json"
REQUEST_FILE = "request.json"
FORMAT = 1
#: What to do about a request that cannot be read.
_AGAIN = "Write it again: nnunet_uad study plan STUDY.yaml"


@dataclass(frozen=True)
class Cell:
    """One supervised training, or what a screen makes of one: an arm on a planned fold.

    Attributes:
        arm: Name of the arm.
        slug: Name of the arm in paths.
        fold: Entry of ``folds`` in ``study.json``.
    """

    arm: str
    slug: str
    fold: dict[str, Any]

    @property
    def identifier(self) -> str:
        """``ARM/FOLD``."""
        return f"{self.slug}/{self.fold['id']}"


@dataclass(frozen=True)
class MapCell:
    """An arm without labels on an outer fold: a pretrainer whose anomaly maps of the test cases are scored.

    Attributes:
        arm: Name of the arm.
        slug: Name of the arm in paths.
        outer: Index of the outer fold.
        name: Name of the outer fold: ``fold0``, ``pool``.
        val: Test cases of the outer fold.
    """

    arm: str
    slug: str
    outer: str
    name: str
    val: tuple[str, ...]

    @property
    def identifier(self) -> str:
        """``ARM/OUTER_FOLD``."""
        return f"{self.slug}/{self.name}"


class Layout:
    """A study's folder.

    Args:
        folder: Output folder of the study.

    ``study.json``: the plan. ``models/ARM``, ``models/pretrained``: used as ``nnUNet_results``. ``cells/ARM/FOLD``:
    segmentations and scores by dataset, anomaly maps of arms without labels. ``tests``: links to the images of the
    test datasets. ``done``: a file per finished job. ``logs``: a file per job.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).resolve()

    @property
    def planned(self) -> bool:
        """Whether the plan has been written."""
        return (self.folder / PLAN_FILE).is_file()

    @cached_property
    def request(self) -> dict[str, Any]:
        """The study's settings and nnU-Net's folders.

        Raises:
            ValueError: The file is damaged.
        """
        return read_mapping(self.folder / REQUEST_FILE, _AGAIN, RequestForm)

    @cached_property
    def plan(self) -> dict[str, Any]:
        """Content of ``study.json``.

        Raises:
            ValueError: Written by a newer version, or damaged.
        """
        path = self.folder / PLAN_FILE
        content = read_mapping(path, "Restore it: results belong to the plan that they were made with.")
        found = content.get("format")
        # Python takes true and 1.0 for 1.
        if type(found) is not int or found != FORMAT:
            raise ValueError(f"{path} has format {shown(found)}; this version reads {FORMAT}.")
        return read_mapping(path, "Restore it: results belong to the plan that they were made with.", PlanForm)

    @cached_property
    def study(self) -> Study:
        """The study's settings as they were planned or requested last, without what ``budget_hours`` cut."""
        study = build(Study, self.request["study"], str(self.folder / REQUEST_FILE))
        cut = self.plan.get("cut") if self.planned else None
        return study.reduced(cut["draws"], cut["arms"]) if cut else study

    @cached_property
    def arms(self) -> dict[str, Arm]:
        """Name → arm, of those that segment: see :attr:`Study.arms`."""
        return self.study.arms

    @cached_property
    def cells(self) -> dict[str, Cell]:
        """Identifier → cell; budgets first, so that an interrupted study has whole comparisons."""
        cells = (Cell(arm, slug(arm), fold) for fold in self.plan["folds"] for arm in self.arms)
        return {cell.identifier: cell for cell in cells}

    @cached_property
    def map_cells(self) -> dict[str, MapCell]:
        """Identifier → an arm without labels on an outer fold."""
        cells = (
            MapCell(arm, slug(arm), number, self.study.outer_name(number), tuple(split["val"]))
            for number, split in self.plan.get("outer", {}).items()
            for arm in self.study.label_free
        )
        return {cell.identifier: cell for cell in cells}

    def parts(self, cell: Cell) -> tuple[Cell, MapCell] | None:
        """The trained cell and the maps that a screen is made of; ``None`` where the cell itself is trained.

        Args:
            cell: Cell of the study.
        """
        screen = self.arms[cell.arm].screen
        if screen is None:
            return None
        segments, maps = map(slug, screen)
        outer = self.study.outer_name(cell.fold["outer"])
        return self.cells[f"{segments}/{cell.fold['id']}"], self.map_cells[f"{maps}/{outer}"]

    @cached_property
    def trained_cells(self) -> dict[str, Cell]:
        """Identifier → cell, of those that are trained; the others are screens."""
        return {identifier: cell for identifier, cell in self.cells.items() if self.arms[cell.arm].learns}

    @property
    def pretrainings(self) -> dict[str, dict[str, Any]]:
        """Identifier → pretraining."""
        return self.plan["pretrainings"]

    def needed(self, cell: Cell | MapCell) -> dict[str, str]:
        """Pretrainings that a cell needs: ``weights`` and ``restorer``, or ``maps`` → identifier."""
        outer = cell.outer if isinstance(cell, MapCell) else str(cell.fold["outer"])
        return self.plan["needs"][cell.arm].get(outer, {})

    def cell_folder(self, identifier: str) -> Path:
        """Folder of a cell's segmentations and scores."""
        return self.folder / "cells" / identifier

    def trained(self, identifier: str) -> Path:
        """File that is written when a cell is trained: how long, on what, from which weights."""
        return self.cell_folder(identifier) / "training.json"

    @property
    def datasets(self) -> list[str]:
        """Datasets that every cell is tested on: the study's own first."""
        return [self.plan["dataset"], *(test["dataset"] for test in self.plan["tests"])]

    def tested(self, cell: Cell | MapCell, dataset: str) -> list[str]:
        """Identifiers of the cases that a cell is tested on.

        Args:
            cell: Cell of the study.
            dataset: Name of the dataset that is tested on.
        """
        if dataset == self.plan["dataset"]:
            return list(cell.val if isinstance(cell, MapCell) else cell.fold["val"])
        return [case for test in self.plan["tests"] if test["dataset"] == dataset for case in test["labels"]]

    def scores(self, identifier: str, dataset: str) -> Path:
        """File that is written when a cell is scored on a dataset."""
        return self.cell_folder(identifier) / f"scores_{dataset}.json"

    def map_scores(self, identifier: str, dataset: str) -> Path:
        """File that is written when the anomaly maps of a cell without labels are scored on a dataset."""
        return self.cell_folder(identifier) / f"anomaly_{dataset}.json"

    def pretrained(self, identifier: str) -> Path:
        """File that is written when a pretraining is finished: how long, on what, which weights."""
        return self.folder / "pretrained" / f"{identifier}.json"

    def results(self, arm_slug: str = "pretrained") -> Path:
        """Folder to be used as ``nnUNet_results``."""
        return self.folder / "models" / arm_slug

    @property
    def timing(self) -> Path:
        """File of how long steps and predictions take, by arm."""
        return self.folder / "timing.json"

    @property
    def figures(self) -> Path:
        """File of matplotlib's settings for the trainings."""
        return self.folder / "matplotlibrc"

    def images(self, dataset: str) -> Path:
        """Folder of links to the images of a test dataset."""
        return self.folder / "tests" / dataset

    def marker(self, stage: str, identifier: str) -> Path:
        """File that is touched when a job is finished; relative to the folder, as the workflow names it."""
        return Path("done") / stage / identifier

    def log(self, stage: str, identifier: str) -> Path:
        """File of what a job printed."""
        return self.folder / "logs" / stage / f"{identifier.replace('/', '__')}.log"

    def jobs(self) -> Iterator[tuple[str, str]]:
        """Stage and identifier of every job of a planned study."""
        for identifier in self.pretrainings:
            yield "pretrain", identifier
        for identifier in self.map_cells:
            yield "map", identifier
        for stage, cells in {"train": self.trained_cells, "test": self.cells}.items():
            for identifier in cells:
                yield stage, identifier

    def finished(self, stage: str, identifier: str) -> bool:
        """Whether the job's result has been written."""
        if stage in ("test", "map"):
            place = self.scores if stage == "test" else self.map_scores
            return all(place(identifier, dataset).is_file() for dataset in self.datasets)
        return {"pretrain": self.pretrained, "train": self.trained}[stage](identifier).is_file()
