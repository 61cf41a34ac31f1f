"""How much of a study's cell is start-up: every process new (--cold) against warm ones; a row each, as CSV.

    python benchmarks/study_startup.py 905 2d_small --epochs 10 --iterations 10 -o /tmp/startup.csv

Work is a training from its first epoch to its end, by the times in nnU-Net's log, and the prediction and scoring of
the test cases. All else of the study's time is start-up: Snakemake, imports, loading. One job at a time; the splits
of the dataset are put back afterwards.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from nnunet_uad.common.csv_files import write_csv_file
from nnunet_uad.common.json_files import read_mapping
from nnunet_uad.study.layout import Layout

_TIME = re.compile(r"^(\S+ \S+): (Epoch 0|Training done\.) *$", re.MULTILINE)
_ARMS = ("nnUNetTrainerFromScratch", "nnUNetTrainer")


def study_text(dataset: str, configuration: str, epochs: int, iterations: int, draws: int) -> str:
    """A study of two arms without pretraining, one labelled case."""
    arms = "".join(f"  arm{k}: {name}\n" for k, name in enumerate(_ARMS))
    return (
        f"dataset: {dataset}\nconfiguration: {configuration}\nbudgets: [1]\nfolds: [0]\ndraws: {draws}\n"
        f"device: cpu\nmirroring: false\nprocesses: 0\nfine_tuning: {{epochs: {epochs}, iterations: {iterations}}}\n"
        f"trainers:\n{arms}"
    )


def worked(layout: Layout) -> float:
    """Seconds of trainings, predictions and scores in a finished study."""
    seconds = 0.0
    for log in layout.folder.rglob("training_log_*.txt"):
        times = {words: datetime.fromisoformat(time) for time, words in _TIME.findall(log.read_text(encoding="utf-8"))}
        seconds += (times["Training done."] - times["Epoch 0"]).total_seconds()
    scores = (layout.scores(cell, layout.plan["dataset"]) for cell in layout.cells)
    return seconds + sum(float(read_mapping(path)["seconds"]) for path in scores)


def measured(text: str, flags: list[str]) -> dict[str, object]:
    """Run a study and say where its time went."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.yaml"
        path.write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "nnunet_uad", "study"]
        subprocess.run([*command, "plan", str(path)], check=True, stdout=subprocess.DEVNULL)
        started = time.monotonic()
        with (Path(folder) / "log").open("wb") as log:
            words = [*command, "run", str(path), "--cores", "1", *flags]
            subprocess.run(words, check=True, stdout=log, stderr=subprocess.STDOUT)
        wall = time.monotonic() - started
        layout = Layout(path.with_suffix(""))
        cells, work = len(layout.cells), worked(layout)
    return {
        "processes": "new" if flags else "warm",
        "cells": cells,
        "seconds per cell": round(wall / cells, 1),
        "start-up per cell, s": round((wall - work) / cells, 1),
        "share of start-up": round(1 - work / wall, 3),
    }


def main() -> None:
    """Run the study twice and write a row of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("configuration")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("-o", type=Path, required=True)
    arguments = parser.parse_args()
    from nnunet_uad.common.nnunet import dataset_folder

    splits = dataset_folder("nnUNet_preprocessed", arguments.dataset) / "splits_final.json"
    before = splits.read_bytes()
    length = (arguments.epochs, arguments.iterations, arguments.draws)
    text = study_text(arguments.dataset, arguments.configuration, *length)
    try:
        rows = [measured(text, flags) for flags in (["--cold"], [])]
    finally:
        splits.write_bytes(before)
    steps = arguments.epochs * arguments.iterations
    table = [{"steps": steps, **row} for row in rows]
    write_csv_file(arguments.o, list(table[0]), [list(row.values()) for row in table])
    print(arguments.o.read_text(encoding="utf-8"), end="")


if __name__ == "__main__":
    main()
