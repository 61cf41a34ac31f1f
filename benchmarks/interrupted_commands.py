"""The commands that benchmarks/interruptions.py interrupts, on the tiny dataset of the tests."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

SHORT = "_4epochs_2iters"
PRETRAINER, FINE_TUNER = f"nnUNetPretrainerDAE{SHORT}", f"nnUNetTrainerDAEPretrained{SHORT}"
MODEL = "nnUNetPretrainerDAE_1epochs_2iters"


@dataclass
class Activity:
    """A command and what it leaves.

    Attributes:
        start: Function of a folder and whether it is the second run; starts the command there, returns its process id.
        result: Path of what is compared, below the folder.
        is_training: Whether it may go on from a checkpoint.
    """

    start: Callable[[Path, bool], Started]
    result: str
    is_training: bool = False


@dataclass
class Started:
    """A process and the file of what it prints."""

    process_id: int
    log: Path


def start_forked(work: Callable[[], Any], log: Path, **environment: str) -> Started:
    """Fork a child that has all modules already, so that the instants fall into work."""
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    child = os.fork()
    if child:
        return Started(child, log)
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.stdout, sys.stderr = (os.fdopen(d, "w", buffering=1, closefd=False) for d in (1, 2))
    os.environ.update(environment)
    # nnU-Net's loader draws cases and patches from these.
    random.seed(0)
    np.random.seed(0)
    try:
        status = work() or 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def command(*words: Any) -> Callable[[], Any]:
    """A command of ours."""

    def work() -> int:
        from nnunet_uad.cli.main import main

        return main([str(word) for word in words])

    return work


def training(trainer: str, *flags: str) -> Callable[[], Any]:
    """nnU-Net's command."""

    def work() -> None:
        from nnunetv2.run.run_training import run_training_entry

        sys.argv = ["nnUNetv2_train", "991", "2d_tiny", "0", "-tr", trainer, "-device", "cpu", *flags]
        run_training_entry()

    return work


def make_activities(work: Path) -> dict[str, Activity]:
    """The commands, on the dataset in ``work``."""
    import tiny

    env = {k: os.environ[k] for k in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")}
    seed = {"nnUNet_uad_settings": "seed=1"}
    weights = work / "results" / tiny.DATASET / f"{MODEL}__nnUNetPlans__2d_tiny" / "fold_0" / "pretrained.safetensors"
    model = ["-d", "991", "-c", "2d_tiny", "-tr", MODEL, "-device", "cpu", "--disable_tta"]

    def train(trainer: str, **more: str) -> Callable[[Path, bool], Started]:
        def start(folder: Path, again: bool) -> Started:
            fold = folder / tiny.DATASET / f"{trainer}__nnUNetPlans__2d_tiny" / "fold_0"
            done = any((fold / f"checkpoint_{kind}.pth").is_file() for kind in ("final", "latest", "best"))
            work = training(trainer, *(["--c"] if again and done else []))
            return start_forked(work, folder / "a.log", **{**env, **seed, **more, "nnUNet_results": str(folder)})

        return start

    def predict(folder: Path, again: bool) -> Started:
        processes = len(folder.name) % 2
        words = [
            "predict",
            "-i",
            work / "images",
            "-o",
            folder / "maps",
            *model,
            "-f",
            "0",
            "--save",
            "map",
            "mask",
            "png",
        ]
        return start_forked(command(*words, "-npp", processes, "-nps", processes), folder / "a.log", **env)

    def preprocess(folder: Path, again: bool) -> Started:
        target = folder / "preprocessed"
        target.mkdir(parents=True, exist_ok=True)
        if not (target / tiny.DATASET).exists():
            (target / tiny.DATASET).symlink_to(work / "preprocessed" / tiny.DATASET)
        words = ["preprocess", "-d", "993", "--like", "991", "-c", "2d_tiny", "3d_tiny"]
        words += ["-np", str(2 * (len(folder.name) % 2))]
        return start_forked(command(*words), folder / "a.log", **{**env, "nnUNet_preprocessed": str(target)})

    def append(folder: Path, again: bool) -> Started:
        (folder / "raw").mkdir(parents=True, exist_ok=True)
        if not (folder / "raw" / tiny.DATASET).exists():
            (folder / "raw" / tiny.DATASET).symlink_to(work / "raw" / tiny.DATASET)
        words = ["append-residuals", "-o", "992", *model, "-f", "0", "1", "-npp", 0, "-nps", 0, "--copy"]
        return start_forked(command(*words), folder / "a.log", **{**env, "nnUNet_raw": str(folder / "raw")})

    def study(folder: Path, again: bool) -> Started:
        preprocessed = folder / "preprocessed"
        if not preprocessed.exists():
            shutil.copytree(work / "preprocessed", preprocessed)
            (folder / "study.yaml").write_text(json.dumps(STUDY))
        log = folder / "a.log"
        words = [sys.executable, "-m", "nnunet_uad", "study", "run", str(folder / "study.yaml"), "--cores", "1"]
        handle = log.open("a")
        process = subprocess.Popen(
            words,
            stdout=handle,
            stderr=handle,
            env={**os.environ, **env, "nnUNet_preprocessed": str(preprocessed), "nnUNet_results": str(folder / "res")},
            start_new_session=True,
        )
        return Started(process.pid, log)

    return {
        "pretraining": Activity(train(PRETRAINER), tiny.DATASET, is_training=True),
        "fine-tuning": Activity(train(FINE_TUNER, nnUNet_uad_pretrained=str(weights)), tiny.DATASET, is_training=True),
        "predict": Activity(predict, "maps"),
        "preprocess": Activity(preprocess, "preprocessed/Dataset993_Unlabelled"),
        "append-residuals": Activity(append, "raw/Dataset992_TinyResidual"),
        "study": Activity(study, "study", is_training=True),
    }


STUDY = {
    "dataset": 991,
    "configuration": "2d_tiny",
    "folds": [0],
    "budgets": [1],
    "draws": 1,
    "trainers": {"scratch": "nnUNetTrainerFromScratch", "DAE": "nnUNetTrainerDAEPretrained"},
    "pretraining": {"epochs": 1, "iterations": 2},
    "fine_tuning": {"epochs": 1, "iterations": 2},
    "device": "cpu",
    "mirroring": False,
    "processes": 0,
}


def prepare(work: Path) -> None:
    """The dataset, cases without labels, images, and a model of two folds that leave each other's cases out."""
    import tiny

    if (work / "prepared").exists():
        return
    for name in ("raw", "preprocessed", "results", "images"):
        shutil.rmtree(work / name, ignore_errors=True)
        (work / name).mkdir(parents=True)
    tiny.write_raw(work / "raw")
    tiny.plan_and_preprocess(991, tiny.DATASET)
    one, other = [*tiny.HEALTHY[:2], *tiny.LESION[:2]], [*tiny.HEALTHY[2:], *tiny.LESION[2:]]
    splits = [{"train": one, "val": other}, {"train": other, "val": one}]
    (work / "preprocessed" / tiny.DATASET / "splits_final.json").write_text(json.dumps(splits))
    unlabelled = work / "raw" / "Dataset993_Unlabelled"
    (unlabelled / "imagesTr").mkdir(parents=True)
    content = json.loads((work / "raw" / tiny.DATASET / "dataset.json").read_text())
    (unlabelled / "dataset.json").write_text(json.dumps({**content, "labels": {"background": 0}}))
    for case in range(8):
        for channel, volume in enumerate(tiny.tiny_case(50 + case, False)[0]):
            tiny.write_image(volume, unlabelled / "imagesTr" / f"u{case}_{channel:04d}.nii.gz")
            tiny.write_image(volume, work / "images" / f"case{case}_{channel:04d}.nii.gz")
    os.environ["nnUNet_uad_settings"] = "seed=1"
    for fold in (0, 1):
        tiny.run_training(MODEL, fold=fold)
    del os.environ["nnUNet_uad_settings"]
    (work / "prepared").touch()
