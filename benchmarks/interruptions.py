"""kill -9, SIGTERM and Ctrl-C at random instants of every command that writes, then the same command again.

    python benchmarks/interruptions.py -o /tmp/interruptions            # 50 instants; a row each in interruptions.csv
    python benchmarks/interruptions.py -o /tmp/interruptions --most 5   # five more, of those that have no row yet

On the tiny dataset of the tests. A trial is right if the command ended in time, without traceback and without
processes that go on; if SIGTERM and Ctrl-C left no unfinished file; and if the second run ended well and left the
files of an undisturbed one and no others. Files are compared bit by bit. A training that went on from a checkpoint
draws other patches, so of trainings the losses up to the interruption are compared and the files by name.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
SHORT = "_4epochs_2iters"
PRETRAINER, FINE_TUNER = f"nnUNetPretrainerDAE{SHORT}", f"nnUNetTrainerDAEPretrained{SHORT}"
MODEL = "nnUNetPretrainerDAE_1epochs_2iters"
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
#: Trials of each activity.
SHARES = {"pretraining": 9, "fine-tuning": 9, "predict": 9, "preprocess": 9, "append-residuals": 9, "study": 5}
#: Names of unfinished files and locks of ours.
OURS = ".nnunet_uad_"
IN_TIME = 8.0
#: Not compared: times and names of folders are in them.
UNLIKE = ("progress.png", "debug.json", "anomaly_metrics.json", "summary.json", ".log")


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


@dataclass
class Trial:
    """One interruption."""

    number: int
    activity: str
    signal: str
    share: float
    seconds: float = 0.0
    status: int = 0
    to_end: float = 0.0
    traceback: bool = False
    processes_left: int = 0
    unfinished_left: int = 0
    second_status: int = 0
    differing: str = ""
    left_over: str = ""
    right: bool = field(default=False)

    def judge(self) -> None:
        """Say whether all is as it should be."""
        told = self.signal != "SIGKILL"
        # nnU-Net's own command, interrupted by Ctrl-C, shows where; ours do not.
        silent = not self.traceback or (self.signal == "SIGINT" and self.activity in ("pretraining", "fine-tuning"))
        self.right = bool(
            self.to_end < IN_TIME
            and silent
            and not self.processes_left
            and not (told and self.unfinished_left)
            and not self.second_status
            and not self.differing
            and not self.left_over
        )


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


def wait_for(started: Started, seconds: float) -> int | None:
    """The exit status, negative for a signal; ``None`` if it has not ended by then."""
    deadline = time.time() + seconds
    while time.time() < deadline:
        ended, status = os.waitpid(started.process_id, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    return None


def descendants(process_id: int) -> list[Any]:
    """What a process has started, directly or not."""
    import psutil

    try:
        return psutil.Process(process_id).children(recursive=True)
    except psutil.Error:
        return []


def content_of(folder: Path) -> dict[str, Any]:
    """Files below a folder and what they hold: bytes, arrays of preprocessed cases."""
    import blosc2

    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_dir() or name.startswith("training_log") or "/training_log" in name:
            continue
        found[name] = blosc2.open(str(path))[:].tobytes() if path.suffix == ".b2nd" else path.read_bytes()
    return found


def losses_of(folder: Path) -> list[float]:
    """Losses in the final checkpoint of a training."""
    import torch

    (path,) = folder.rglob("checkpoint_final.pth")
    return torch.load(path, map_location="cpu", weights_only=True)["logging"]["train_losses"]


def compare(activity: Activity, undisturbed: Path, folder: Path, before: list[float]) -> tuple[str, str]:
    """What differs, and what is there that should not be; empty if all is as it should be."""
    one, other = (content_of(f / activity.result) for f in (undisturbed, folder))
    left_over = [n for n in other if OURS in n] + [str(p) for p in folder.rglob(f"{OURS}*")]
    if "study" in activity.result:
        # Snakemake's own, and the times of attempts.
        one, other = (
            {n: c for n, c in found.items() if not n.startswith((".snakemake", "logs/")) and "_seconds" not in n}
            for found in (one, other)
        )
    differing = sorted(set(one) ^ set(other))
    if activity.is_training:
        if "study" not in activity.result:
            now, then = losses_of(folder), losses_of(undisturbed)
            if len(now) != len(then) or now[: len(before)] != before or before != then[: len(before)]:
                differing.append(f"losses {now} instead of {then}, {len(before)} before")
    else:
        differing += [n for n in one if n in other and one[n] != other[n] and not n.endswith(UNLIKE)]
    return " ".join(differing), " ".join(left_over)


def losses_so_far(folder: Path) -> list[float]:
    """Losses in the checkpoint that a training goes on from."""
    import torch

    for kind in ("final", "latest", "best"):
        for path in folder.rglob(f"checkpoint_{kind}.pth"):
            return torch.load(path, map_location="cpu", weights_only=True)["logging"]["train_losses"]
    return []


def undisturbed_run(work: Path, name: str, activity: Activity) -> float:
    """Run without interruption, once; returns the seconds that it took."""
    folder, timing = work / "undisturbed" / name, work / "undisturbed" / f"{name}.seconds"
    if not timing.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        started = time.time()
        status = wait_for(activity.start(folder, False), 600)
        if status != 0:
            raise RuntimeError(f"{name} ended with {status}: {folder / 'a.log'}")
        timing.write_text(str(time.time() - started))
    return float(timing.read_text())


def run_trial(work: Path, trial: Trial, activity: Activity) -> None:
    """Interrupt, look, run again, compare."""
    import psutil

    length = undisturbed_run(work, trial.activity, activity)
    trial.seconds = round(trial.share * length, 2)
    folder = work / "trials" / f"{'x' * (1 + trial.number % 2)}{trial.number:03d}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    started = activity.start(folder, False)
    status = wait_for(started, trial.seconds)
    number = getattr(signal, trial.signal)
    family = descendants(started.process_id)
    begun = time.time()
    if status is None:
        # Ctrl-C goes to all processes of the terminal.
        (os.killpg if number == signal.SIGINT else os.kill)(started.process_id, number)
        status = wait_for(started, 60)
    trial.to_end = round(time.time() - begun, 2)
    if status is None:
        os.killpg(started.process_id, signal.SIGKILL)
        status = wait_for(started, 60)
    trial.status = status if status is not None else -99
    trial.unfinished_left = len(list(folder.rglob(f"{OURS}tmp*")))
    _, alive = psutil.wait_procs(family, timeout=5)
    trial.processes_left = sum(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in alive)
    trial.traceback = "Traceback" in started.log.read_text(errors="replace")
    before = losses_so_far(folder) if activity.is_training and trial.activity != "study" else []
    second = wait_for(activity.start(folder, True), 900)
    trial.second_status = second if second is not None else -99
    trial.differing, trial.left_over = compare(activity, work / "undisturbed" / trial.activity, folder, before)
    trial.judge()
    if trial.right:
        shutil.rmtree(folder)


def planned_trials(seed: int) -> list[Trial]:
    """All trials, the activities in turn; the same for the same seed."""
    rng = random.Random(seed)
    names = [(k / count, name) for name, count in SHARES.items() for k in range(count)]
    return [
        Trial(i, name, SIGNALS[i % 3].name, round(rng.uniform(0.02, 0.98), 3))
        for i, (_, name) in enumerate(sorted(names))
    ]


def main() -> None:
    """Run the trials that have no row yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", type=Path, required=True)
    parser.add_argument("--most", type=int, default=10**6, help="trials in this run")
    parser.add_argument("--only", nargs="+", default=list(SHARES), choices=list(SHARES), help="activities")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    work = arguments.o.resolve()
    work.mkdir(parents=True, exist_ok=True)
    for kind in ("raw", "preprocessed", "results"):
        os.environ[f"nnUNet_{kind}"] = str(work / kind)
    os.environ.update(nnUNet_n_proc_DA="0", nnUNet_def_n_proc="1", OMP_NUM_THREADS="1", MPLBACKEND="Agg")
    os.environ["nnUNet_extTrainer"] = str(ROOT / "nnunet_uad" / "plugin")
    sys.path.insert(0, str(ROOT / "tests"))
    import torch

    # Started in the background of a script, this process and all that it starts would be deaf to Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    torch.set_num_threads(1)
    prepare(work)
    table = work / "interruptions.csv"
    done = {int(row["number"]) for row in csv.DictReader(table.open())} if table.exists() else set()
    activities = make_activities(work)
    trials = [t for t in planned_trials(arguments.seed) if t.number not in done and t.activity in arguments.only]
    for trial in trials[: arguments.most]:
        run_trial(work, trial, activities[trial.activity])
        fresh = not table.exists()
        with table.open("a", newline="") as handle:
            writer = csv.DictWriter(handle, list(asdict(trial)))
            if fresh:
                writer.writeheader()
            writer.writerow(asdict(trial))
        print(trial, flush=True)


if __name__ == "__main__":
    main()
