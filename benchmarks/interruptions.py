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
import os
import random
import shutil
import signal
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from interrupted_commands import Activity, Started, make_activities, prepare

ROOT = Path(__file__).resolve().parents[1]
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
#: Trials of each activity.
SHARES = {"pretraining": 9, "fine-tuning": 9, "predict": 9, "preprocess": 9, "append-residuals": 9, "study": 5}
#: Names of unfinished files and locks of ours.
OURS = ".nnunet_uad_"
IN_TIME = 8.0
#: Not compared: times and names of folders are in them.
UNLIKE = ("progress.png", "debug.json", "anomaly_metrics.json", "summary.json", ".log")


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
