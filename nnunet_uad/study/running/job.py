"""One job of a study: ``python -m nnunet_uad.study.running.job FOLDER STAGE IDENTIFIER``.

Each job may be killed at any time and started again: what is finished is kept, what is not is continued. Two jobs of
the same name do not run at once: the second waits, then finds the work done.
"""

from __future__ import annotations

import dataclasses
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nnunet_uad.common.ending import die_with_parent, ending_well
from nnunet_uad.common.files import write_json, write_text
from nnunet_uad.common.json_files import read_mapping
from nnunet_uad.common.lock import file_lock
from nnunet_uad.common.trainer_names import NO_VALIDATION, VALIDATION_VARIABLE
from nnunet_uad.screening.names import CALIBRATION
from nnunet_uad.study.layout import Cell, Layout, MapCell
from nnunet_uad.study.pins import contents_of, refuse_changed_cell, refuse_changed_pretraining, refuse_changed_tests
from nnunet_uad.study.running.commands import (
    Command,
    nnunet_environment,
    pretrained_file,
    pretraining_command,
    training_command,
)
from nnunet_uad.study.running.gpus import own_gpu
from nnunet_uad.study.running.revision import revision
from nnunet_uad.study.running.warm_client import run_warm
from nnunet_uad.study.running.warm_names import TRAINING
from nnunet_uad.training.cases import TrainedCases
from nnunet_uad.weights.leakage import Overlap, unknown_cases

PACKAGES = ("nnunet_uad", "nnunetv2", "torch")
REPORTS = ("transfer.json", "restorer.json", "lesion_bank.json")


def run_job(layout: Layout, stage: str, identifier: str) -> None:
    """Do a job, or nothing if it is done; leaves the marker that the workflow waits for."""
    with _only_one(layout, stage, identifier):
        write_text(layout.figures, "figure.dpi: 25\n")
        if stage == "preprocess":
            _preprocess(layout)
        elif stage == "time":
            _time(layout)
        elif not layout.finished(stage, identifier):
            _refuse_changes(layout, stage, identifier)
            # Before anything imports torch: it looks at the visible GPUs once.
            with own_gpu(layout.folder / "locks"):
                {"pretrain": _pretrain, "train": _train, "test": _test, "map": _map}[stage](layout, identifier)
    marker = layout.folder / layout.marker(stage, identifier)
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.touch()


def _refuse_changes(layout: Layout, stage: str, identifier: str) -> None:
    """Hours may lie between plan and job: splits, images and labels must still be those that were planned."""
    if stage == "pretrain":
        refuse_changed_pretraining(layout, identifier)
    elif stage == "map":
        refuse_changed_tests(layout, layout.map_cells[identifier].val)
    else:
        refuse_changed_cell(layout, layout.cells[identifier])


@contextmanager
def _only_one(layout: Layout, stage: str, identifier: str) -> Iterator[None]:
    """Hold the job's lock, which ends with this process however it ends."""
    path = layout.folder / "locks" / f"{stage}__{identifier.replace('/', '__')}"
    path.parent.mkdir(parents=True, exist_ok=True)
    with file_lock(path, f"{stage} {identifier} is being done", wait=True):
        yield


def _preprocess(layout: Layout) -> None:
    """Plan (small configurations) and preprocess with nnU-Net's commands, unless the data are there."""
    from nnunet_uad.study.running.preparation import STARTED, preparation_commands

    # nnU-Net's planner hands this number to torch, which wants at least one thread.
    environment = {**nnunet_environment(layout), "nnUNet_n_proc_DA": str(max(1, layout.study.processes or 1))}
    for words in preparation_commands(layout):
        _run(Command(tuple(words), environment, layout.folder))
    (layout.folder / STARTED).unlink(missing_ok=True)


def _time(layout: Layout) -> None:
    """Time steps and predictions, for an estimate of what fits into ``budget_hours``."""
    from nnunet_uad.study.running.timing import time_steps

    with own_gpu(layout.folder / "locks"):
        time_steps(layout, _run)


def _pretrain(layout: Layout, identifier: str) -> None:
    command = pretraining_command(layout, identifier)
    seconds = _train_and_validate(command)
    refuse_changed_pretraining(layout, identifier)
    file = pretrained_file(layout, identifier)
    if not file.is_file():
        raise RuntimeError(f"{command.words[0]} ended well but left no {file}.")
    layout.pretrained(identifier).parent.mkdir(parents=True, exist_ok=True)
    content = {"file": str(file), "citation": _record(file).citation, "command": str(command), **_where(seconds)}
    write_json(layout.pretrained(identifier), content)


def _train(layout: Layout, identifier: str) -> None:
    cell = layout.cells[identifier]
    _refuse_leakage(layout, cell)
    command = training_command(layout, cell)
    seconds = _train_and_validate(command)
    # While it ran, too: nnU-Net reads the splits again for its validation.
    refuse_changed_cell(layout, cell)
    files = [command.folder / name for name in REPORTS]
    reports = {path.stem: _without_tensors(path) for path in files if path.is_file()}
    layout.cell_folder(identifier).mkdir(parents=True, exist_ok=True)
    content = {"arm": cell.arm, "fold": cell.fold["id"], "command": str(command), "reports": reports, **_where(seconds)}
    write_json(layout.trained(identifier), content)


def _without_tensors(path: Path) -> dict[str, Any]:
    """A report of weights; what became of each tensor stays in the training's folder."""
    content = read_mapping(path)
    content.pop("tensors", None)
    return content


def _refuse_leakage(layout: Layout, cell: Cell | MapCell) -> None:
    """Look into the records of the weights themselves: which images did they see?

    Raises:
        RuntimeError: test cases of this study are among them.
    """
    pins, source = layout.plan.get("pins", {}), layout.plan["dataset"]
    tested = {dataset: layout.tested(cell, dataset) for dataset in layout.datasets}
    files = {pretrained_file(layout, i): _record for i in layout.needed(cell).values()}
    if isinstance(cell, Cell) and (weights := layout.arms[cell.arm].weights):
        files[Path(weights)] = _record_if_any
    for file, read in files.items():
        record = read(file)
        if record is None:
            print(unknown_cases(str(file), "the scores of this cell are too good"), flush=True)
            continue
        for dataset, cases in tested.items():
            contents = contents_of(pins.get(dataset, {}), cases)
            if overlap := Overlap.of([record], contents, same_dataset=dataset == source):
                consequence = "A study does not report such scores."
                raise RuntimeError(overlap.finding(str(file), consequence, "test case(s) of this cell"))


def _refuse_other_training(folder: Path, cell: Cell) -> None:
    """Look into what our trainers say of themselves: were they trained on the planned cases?

    Raises:
        RuntimeError: They were trained on others.
    """
    trained = TrainedCases.read(folder)
    if trained is not None and sorted(trained.train) != sorted(cell.fold["train"]):
        raise RuntimeError(
            f"LEAKAGE? {folder} was trained on {', '.join(sorted(trained.train))}; the study planned "
            f"{', '.join(sorted(cell.fold['train']))}. Remove that folder, then run the study again."
        )


def _record(file: Path) -> Any:
    from nnunet_uad.weights.safe_file import read_record

    return read_record(file)


def _record_if_any(file: Path) -> Any:
    """The record in a file of weights; ``None`` in files that others wrote."""
    from nnunet_uad.weights.readers import read_weights

    return read_weights(file).record


def _train_and_validate(command: Command) -> float:
    """Train, or continue; returns the seconds of this and earlier attempts."""
    there = [p for name in ("final", "latest", "best") if (p := command.folder / f"checkpoint_{name}.pth").is_file()]
    # With a final checkpoint only the validation is left to do, or to do again.
    flag = [] if not there else ["--val"] if "final" in there[0].name else ["--c"]
    if there:
        _refuse_unsafe(there[0])
    started = time.monotonic()
    timing = command.folder.parent / f".{command.folder.name}_seconds"
    timing.parent.mkdir(parents=True, exist_ok=True)
    earlier = float(timing.read_text()) if timing.is_file() else 0.0
    if flag == ["--val"] and command.environment.get(VALIDATION_VARIABLE) == NO_VALIDATION:
        return earlier
    try:
        _run(Command((*command.words, *flag), command.environment, command.folder))
    finally:
        write_text(timing, str(earlier + time.monotonic() - started))
    return earlier + time.monotonic() - started


def _refuse_unsafe(checkpoint: Path) -> None:
    """Check what nnU-Net is about to unpickle: trainers of others do not."""
    from nnunet_uad.weights.checkpoint import TRAINING, read_checkpoint

    read_checkpoint(checkpoint, TRAINING)


def _run(command: Command) -> None:
    """Run a command; it ends when this process ends.

    Raises:
        RuntimeError: it failed.
    """
    print(f"\n$ {command}", flush=True)
    name, environment = Path(command.words[0]).name, {**os.environ, **command.environment}
    status = run_warm(name, command.words, environment) if name == TRAINING else None
    if status is None:
        status = subprocess.run(command.words, env=environment, preexec_fn=die_with_parent, check=False).returncode
    if status:
        raise RuntimeError(f"{name} failed with exit status {status}.")


def _test(layout: Layout, identifier: str) -> None:
    from nnunet_uad.study.running.predict_cell import load_cell, score_cell

    cell = layout.cells[identifier]
    parts = layout.parts(cell)
    trained = parts[0] if parts else cell
    _refuse_other_training(training_command(layout, trained).folder, trained)
    predictor = load_cell(layout, trained)
    score = partial(score_cell, layout, cell, predictor) if parts is None else _screened(layout, cell, predictor)
    # A dataset that joined the study later is all that is left to do.
    for dataset in layout.datasets:
        if not layout.scores(identifier, dataset).is_file():
            started = time.monotonic()
            rows = score(dataset)
            write_json(layout.scores(identifier, dataset), {"rows": rows, **_where(time.monotonic() - started)})


def _screened(layout: Layout, cell: Cell, predictor: Any) -> Callable[[str], list[dict[str, Any]]]:
    """What scores a cell that is not trained: a dataset → its rows."""
    from nnunet_uad.study.running.screen_cell import Screened

    screened = Screened.of(layout, cell, predictor)
    layout.cell_folder(cell.identifier).mkdir(parents=True, exist_ok=True)
    write_json(layout.cell_folder(cell.identifier) / CALIBRATION, dataclasses.asdict(screened.calibration))
    return screened.score


def _map(layout: Layout, identifier: str) -> None:
    from nnunet_uad.study.running.score_maps import score_maps

    cell = layout.map_cells[identifier]
    _refuse_leakage(layout, cell)
    for dataset in layout.datasets:
        if not layout.map_scores(identifier, dataset).is_file():
            started = time.monotonic()
            summary = score_maps(layout, cell, dataset)
            content = {"arm": cell.arm, "summary": summary, **_where(time.monotonic() - started)}
            write_json(layout.map_scores(identifier, dataset), content)


def _where(seconds: float) -> dict[str, Any]:
    """How long it took, and on what."""
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "seconds": round(seconds, 1),
        "device": gpu or f"{os.cpu_count()} CPU cores ({platform.processor() or platform.machine()})",
        "revision": revision() or "installed package",
        "versions": {n: version(n) for n in PACKAGES} | {"python": platform.python_version()},
    }


def main() -> None:
    """Entry point of the workflow's jobs."""
    folder, stage, identifier = sys.argv[1:]
    # Its parent is Snakemake or the cluster's script: nobody waits for a job without one.
    die_with_parent()
    try:
        with ending_well(f"{stage} {identifier}"):
            run_job(Layout(folder), stage, identifier)
    except (ValueError, RuntimeError, OSError) as error:
        sys.exit(f"{stage} {identifier}: {error}")


if __name__ == "__main__":
    main()
