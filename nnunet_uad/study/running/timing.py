"""How long a study's jobs take: a few steps of every training and two predictions, by the study's own commands."""

from __future__ import annotations

import copy
import dataclasses
import re
import shutil
import time
from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from nnunet_uad.common.files import write_json
from nnunet_uad.common.trainer_names import NO_VALIDATION, VALIDATION_VARIABLE, base_name, split_variant
from nnunet_uad.study.layout import Cell, Layout, MapCell
from nnunet_uad.study.running.commands import Command, pretraining_command, training_command
from nnunet_uad.study.running.predict_cell import load_cell, score_cell
from nnunet_uad.study.running.score_maps import predict_maps, score_maps
from nnunet_uad.study.sections import Length
from nnunet_uad.study.study_file import Study

#: Two epochs, of which the second is timed; five steps each, of which one more validates, as in every training.
SHORT = Length(2, 5)
_EPOCH = re.compile(r"Epoch time: ([\d.]+) s")
#: Test cases that are predicted.
CASES = 2


class ShortLayout(Layout):
    """A study with trainings of a few steps and two test cases, in a folder of its own.

    Args:
        layout: Folder of the study.
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout.folder / "timing")
        self._whole = layout
        self.request = layout.request

    @property
    def figures(self) -> Path:
        """File of matplotlib's settings for the trainings."""
        return self._whole.figures

    @cached_property
    def study(self) -> Study:
        """The study's settings with short trainings."""
        length = dataclasses.replace(SHORT, settings=self._whole.study.fine_tuning.settings)
        return dataclasses.replace(self._whole.study, fine_tuning=length)

    @cached_property
    def plan(self) -> dict[str, Any]:
        """The plan with short pretrainings and few test cases."""
        plan = copy.deepcopy(self._whole.plan)
        for entry in plan["pretrainings"].values():
            entry["trainer"] = base_name(entry["trainer"]) + SHORT.suffix
        for fold in plan["folds"]:
            fold["val"] = fold["val"][:CASES]
        for split in plan["outer"].values():
            split["val"] = split["val"][:CASES]
        return plan


def time_steps(layout: Layout, run: Callable[[Command], object]) -> None:
    """Write ``timing.json``: seconds of every pretraining and training, and of a tested case.

    Args:
        layout: Folder of the study.
        run: Function that runs a command.
    """
    short = ShortLayout(layout)
    shutil.rmtree(short.folder, ignore_errors=True)
    timing: dict[str, dict[str, float]] = {"pretrain": {}, "train": {}, "case": {}, "step": {}}
    cells = {cell.arm: cell for cell in reversed(short.trained_cells.values())}
    map_cells = {cell.arm: cell for cell in reversed(short.map_cells.values())}
    both: list[Cell | MapCell] = [*cells.values(), *map_cells.values()]
    try:
        # What is timed starts from what was timed before: weights of a few steps take as long to use as any.
        needed = dict.fromkeys(i for cell in both for i in short.needed(cell).values())
        for identifier in needed:
            trainer = layout.pretrainings[identifier]["trainer"]
            start, step = _timed(pretraining_command(short, identifier), run)
            validation = _seconds_of_validation(layout, short, identifier)
            timing["pretrain"][trainer] = start + step * _length_of(trainer).steps + validation
            timing["step"][trainer] = step
        for arm, cell in cells.items():
            start, step = _timed(training_command(short, cell), run)
            timing["train"][arm] = start + step * layout.study.fine_tuning.steps
            timing["step"][arm] = step
            timing["case"][arm] = _seconds_per_case(partial(_test, short, cell))
        for arm, map_cell in map_cells.items():
            timing["case"][arm] = _seconds_per_case(partial(score_maps, short, map_cell, short.plan["dataset"]))
        write_json(layout.timing, timing)
    finally:
        shutil.rmtree(short.folder, ignore_errors=True)


def _length_of(trainer: str) -> Length:
    _, epochs, iterations = split_variant(trainer)
    return Length(epochs, iterations)


def _timed(command: Command, run: Callable[[Command], object]) -> tuple[float, float]:
    """Seconds of a training besides its steps, and of a step, by the second epoch of a short one."""
    environment = {**command.environment, VALIDATION_VARIABLE: NO_VALIDATION}
    started = time.monotonic()
    run(Command(command.words, environment, command.folder))
    taken = time.monotonic() - started
    logs = sorted(command.folder.glob("training_log_*.txt"))
    epochs = [float(found) for log in logs for found in _EPOCH.findall(log.read_text(encoding="utf-8"))]
    if len(epochs) != SHORT.epochs:
        raise RuntimeError(f"Expected the time of {SHORT.epochs} epochs in {command.folder}, found {len(epochs)}.")
    return max(0.0, taken - sum(epochs)), epochs[-1] / (SHORT.iterations or 1)


def _seconds_of_validation(layout: Layout, short: ShortLayout, identifier: str) -> float:
    """Seconds of the maps of the validation cases, with which a pretraining ends."""
    number = next(
        n for folds in short.plan["needs"].values() for n, kinds in folds.items() if identifier in kinds.values()
    )
    cell = MapCell("", identifier, number, identifier, tuple(short.plan["outer"][number]["val"]))
    try:
        seconds = _seconds_per_case(partial(predict_maps, short, cell, short.plan["dataset"], identifier, ""))
    except ValueError:
        # A method that reconstructs nothing has no maps, and so no validation that takes time.
        return 0.0
    return seconds * len(layout.plan["outer"][number]["val"])


def _test(short: ShortLayout, cell: Cell) -> None:
    predictor = load_cell(short, cell)
    score_cell(short, cell, predictor, short.plan["dataset"])


def _seconds_per_case(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return (time.monotonic() - started) / CASES
