"""One training as one row on disk: run a trainer in this process, score its fold, keep the scores.

A cell is a dictionary; its row is written when it is finished, so an interrupted benchmark repeats nothing.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from nnunet_uad.common.files import write_json


@dataclass(frozen=True)
class Cell:
    """A training to be done: trainer, data, length, settings."""

    name: str
    trainer: str
    preprocessed: str
    dataset: str
    configuration: str
    fold: int
    steps: int
    settings: str = ""
    weights: str = ""
    tags: dict = field(default_factory=dict)
    restorer: str = ""
    #: Preprocessed folders: score probabilities there and on the fold, instead of nnU-Net's validation.
    unseen: tuple[str, ...] = ()


EPOCHS = 10


def run_cell(cell: Cell, folder: Path, keep_weights: bool) -> dict:
    """Train and validate; returns the row. Imports happen here, after the environment is set."""
    results = folder / "trainings" / cell.name
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    os.environ.update(
        nnUNet_preprocessed=cell.preprocessed,
        nnUNet_raw=cell.preprocessed,
        nnUNet_results=str(results),
        nnUNet_uad_settings=cell.settings,
        nnUNet_uad_pretrained=cell.weights,
        nnUNet_uad_restorer=cell.restorer,
        nnUNet_n_proc_DA="0",
        nnUNet_def_n_proc="1",
    )
    import torch

    from nnunet_uad.plugin import nnunet_uad_trainers

    torch.set_num_threads(1)
    base = Path(cell.preprocessed) / cell.dataset
    plans = json.loads((base / "nnUNetPlans.json").read_text())
    plans["continue_training"] = False
    dataset_json = json.loads((base / "dataset.json").read_text())
    trainer_class = getattr(nnunet_uad_trainers, f"{cell.trainer}_{EPOCHS}epochs_{cell.steps // EPOCHS}iters")
    started = time.time()
    trainer = trainer_class(plans, cell.configuration, cell.fold, dataset_json, torch.device(device()))
    trainer.num_val_iterations_per_epoch = 2
    trainer.run_training()
    trained = time.time()
    # Eight mirrored passes per tile would take longer than the training; all arms go without.
    trainer.inference_allowed_mirroring_axes = None
    output = Path(trainer.output_folder)
    if cell.unseen:
        from probabilities import score_trainer

        summary = score_trainer(trainer, [Path(p) for p in cell.unseen])
    else:
        trainer.perform_actual_validation()
        summary = _scores(json.loads((output / "validation" / "summary.json").read_text()))
    row = {
        **asdict(cell),
        "summary": summary,
        "seconds": {"training": trained - started, "validation": time.time() - trained},
        "losses": [float(v) for v in trainer.logger.get_value("train_losses", None)],
    }
    if keep_weights:
        shutil.copy(output / "pretrained.safetensors", folder / f"{cell.name}.safetensors")
    shutil.rmtree(results)
    return row


def device() -> str:
    """``NNUNET_UAD_BENCH_DEVICE``, else the CPU."""
    return os.environ.get("NNUNET_UAD_BENCH_DEVICE", "cpu")


def _scores(summary: dict) -> dict:
    """Dice per case and class for segmentations, the means for reconstructions."""
    if "foreground_mean" not in summary:
        return summary["mean"]
    return {
        Path(case["reference_file"]).name.split(".")[0]: {k: m["Dice"] for k, m in case["metrics"].items()}
        for case in summary["metric_per_case"]
    }


def _work(job: tuple[Cell, Path, bool]) -> None:
    cell, folder, keep = job
    row = folder / f"{cell.name}.json"
    if row.exists():
        return
    log = folder / f"{cell.name}.log"
    with log.open("w") as handle:
        os.dup2(handle.fileno(), 1)
        os.dup2(handle.fileno(), 2)
        try:
            write_json(row, run_cell(cell, folder, keep))
            log.unlink()
        except Exception:
            traceback.print_exc()


def run_cells(cells: Sequence[Cell], folder: Path, workers: int, keep_weights: bool = False) -> list[dict]:
    """Run what has no row yet, ``workers`` at a time, each in a fresh process; return the rows that exist.

    A cell that fails leaves its log behind and does not stop the others.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Spawned children must not oversubscribe the cores before torch is told its number of threads.
    os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
    todo = [(cell, folder, keep_weights) for cell in cells if not (folder / f"{cell.name}.json").exists()]
    context = multiprocessing.get_context("spawn")
    running: list = []
    for job in todo:
        while len(running) >= workers:
            running = [p for p in running if p.is_alive()]
            time.sleep(0.5)
        process = context.Process(target=_work, args=(job,))
        process.start()
        running.append(process)
    for process in running:
        process.join()
    return load_rows(cells, folder)


def load_rows(cells: Sequence[Cell], folder: Path) -> list[dict]:
    """The rows of finished cells; the names of the others are printed."""
    missing = [c.name for c in cells if not (folder / f"{c.name}.json").exists()]
    if missing:
        print(f"not finished: {', '.join(missing)}")
    return [json.loads((folder / f"{c.name}.json").read_text()) for c in cells if (folder / f"{c.name}.json").exists()]
