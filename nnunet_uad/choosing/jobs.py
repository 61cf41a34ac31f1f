"""The commands that a race is made of, run where their output is out of the way, with a bar of what is finished."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tqdm import tqdm

from nnunet_uad.common.ending import die_with_parent
from nnunet_uad.study.layout import Layout
from nnunet_uad.study.running.run import summary
from nnunet_uad.study.study_file import output_folder, read_study

#: Seconds between two looks at what is finished, and for a command to end that was told to.
LOOK, TO_END = 1.0, 10.0
_TAIL = 5


def plan_and_time(path: Path) -> Layout:
    """Plan a study and time a few steps of every training, unless that is done.

    Args:
        path: File of the study.

    Raises:
        RuntimeError: A command failed; says where its log is.
    """
    layout = Layout(output_folder(path, read_study(path)))
    if not layout.timing.is_file():
        log = path.with_suffix(".log")
        _run([sys.executable, "-m", "nnunet_uad", "study", "plan", str(path)], log)
        job = [sys.executable, "-m", "nnunet_uad.study.running.job", str(layout.folder), "time", "steps"]
        with tqdm(desc="timing a few steps", bar_format="{desc}: {elapsed}") as bar:
            _run(job, log, bar)
    return Layout(layout.folder)


def run_study(path: Path, cores: int, words: str) -> Layout:
    """Run a study, or what is left of it.

    Args:
        path: File of the study.
        cores: Number of cores.
        words: Words for the bar.

    Raises:
        RuntimeError: Jobs failed; says which and where their logs are.
    """
    layout = Layout(output_folder(path, read_study(path)))
    if not (layout.planned and _complete(layout)):
        command = [sys.executable, "-m", "nnunet_uad", "study", "run", str(path), "--cores", str(cores)]
        with tqdm(desc=words, unit="job", total=1) as bar:
            failed = _run(command, path.with_suffix(".log"), bar, layout, may_fail=True)
        layout = Layout(layout.folder)
        if failed and not layout.planned:
            raise RuntimeError(failed)
    if not _complete(layout):
        raise RuntimeError(f"Not every job of {path} is finished.\n{summary(layout)[0]}")
    return layout


def _complete(layout: Layout) -> bool:
    return all(layout.finished(*job) for job in layout.jobs())


def _run(
    command: Sequence[str], log: Path, bar: tqdm | None = None, layout: Layout | None = None, may_fail: bool = False
) -> str:
    """Run a command, its output in a log, and watch what is finished.

    Returns:
        The end of the log if it failed, else nothing.

    Raises:
        RuntimeError: It failed and must not.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, preexec_fn=die_with_parent)
        try:
            while process.poll() is None:
                _show(bar, layout)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(LOOK)
        except BaseException:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(TO_END)
            raise
        finally:
            _show(bar, layout)
    if not process.returncode:
        return ""
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    text = "\n    ".join([f"{Path(command[0]).name} {' '.join(command[2:5])} failed:", *lines[-_TAIL:], f"log: {log}"])
    if not may_fail:
        raise RuntimeError(text)
    return text


def _show(bar: tqdm | None, layout: Layout | None) -> None:
    """Bring a bar up to date; in a log only where a job was finished."""
    if bar is None:
        return
    before = bar.n
    # Planned anew, if only now: what a layout has read it keeps.
    fresh = layout and Layout(layout.folder)
    if fresh and fresh.planned:
        with suppress(ValueError, OSError):
            jobs = list(fresh.jobs())
            bar.total, bar.n = len(jobs), sum(fresh.finished(*job) for job in jobs)
    if bar.n != before or sys.stderr.isatty():
        bar.refresh()
