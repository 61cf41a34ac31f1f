"""Run a study's workflow with Snakemake, and say what is finished, what failed and where its log is."""

from __future__ import annotations

import importlib.util
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from nnunet_uad.common.ending import die_with_parent
from nnunet_uad.common.lock import file_lock
from nnunet_uad.common.schema import shown
from nnunet_uad.study.layout import Layout
from nnunet_uad.study.running.gpus import GPUS_VARIABLE, visible_gpus

WORKFLOW = Path(__file__).resolve().parent / "workflow"
PROFILES = WORKFLOW / "profiles"
_TAIL = 3
#: Python that Snakemake 9 wants; setup.py says the same of the extra.
_PYTHON = (3, 11)
#: Seconds that jobs have to tidy up when the run is told to end.
_TO_TIDY_UP = 2.0


def check_snakemake() -> None:
    """Refuse to start without Snakemake.

    Raises:
        RuntimeError: Names the extra, or the Python that Snakemake wants.
    """
    if sys.version_info < _PYTHON:
        raise RuntimeError(
            f"Studies are run by Snakemake, which needs Python {_PYTHON[0]}.{_PYTHON[1]} or newer; this one is "
            f"{platform.python_version()}. Install nnunet_uad[study] into an environment of a newer one."
        )
    if importlib.util.find_spec("snakemake") is None:
        raise RuntimeError("Studies are run by Snakemake, which is not installed: pip install 'nnunet_uad[study]'")


def check_profile(profile: str | None) -> None:
    """Refuse a profile that is not there, or whose executor is not installed: Snakemake says so on pages.

    Args:
        profile: Profile of Snakemake, or one of ours; ``None`` for this machine.

    Raises:
        ValueError: There is no such profile; names ours.
        RuntimeError: The executor of one of ours is missing; names the package.
    """
    if profile is None or Path(profile).is_dir():
        return
    ours = PROFILES / profile
    if not ours.is_dir():
        # Where Snakemake looks for a name.
        bases = (Path(os.environ.get("XDG_CONFIG_HOME", Path.home() / ".config")), Path("/etc/xdg"))
        if not any((base / "snakemake" / profile).is_dir() for base in bases):
            names = ", ".join(sorted(path.name for path in PROFILES.iterdir() if path.is_dir()))
            raise ValueError(
                f"There is no profile {shown(profile)}. Ours are {names}; others are folders of Snakemake's, named by "
                "their path or lying in ~/.config/snakemake."
            )
        return
    package = f"snakemake-executor-plugin-{profile}"
    if importlib.util.find_spec(package.replace("-", "_")) is None:
        raise RuntimeError(f"The profile {profile} needs Snakemake's plugin for it: pip install {package}")


@contextmanager
def only_run(layout: Layout) -> Iterator[None]:
    """Refuse a second run of the same study; the lock ends with this process, however it ends.

    Raises:
        LockedError: It is running; says where.
    """
    layout.folder.mkdir(parents=True, exist_ok=True)
    with file_lock(layout.folder / ".running", f"The study in {layout.folder} is being run"):
        yield


def snakemake_command(
    layout: Layout, cores: int | None, profile: str | None, dry_run: bool, further: Sequence[str] = ()
) -> list[str]:
    """The command line of Snakemake.

    Args:
        layout: Folder of the study.
        cores: Number of cores to use on this machine.
        profile: Profile of Snakemake, or one of ours (slurm, lsf, kubernetes).
        dry_run: Whether the jobs are only listed.
        further: Further arguments for Snakemake.
    """
    words = [sys.executable, "-m", "snakemake", "--snakefile", str(WORKFLOW / "Snakefile")]
    words += ["--directory", str(layout.folder)]
    # A failed cell must not stop the others. Finished work is finished, also when the workflow's text has changed.
    words += ["--keep-going", "--rerun-incomplete", "--rerun-triggers", "mtime"]
    # Of a run that was killed; that none is going on is known from a lock that dies with its process.
    words += ["--nolock"]
    if profile:
        ours = PROFILES / profile
        words += ["--profile", str(ours) if ours.is_dir() and not Path(profile).is_dir() else profile]
    if cores or not profile:
        words += ["--cores", str(cores or "all")]
    if not profile and layout.study.device == "cuda":
        words += ["--resources", f"gpu={max(1, len(visible_gpus(os.environ)))}"]
    return [*words, *(["--dry-run"] if dry_run else []), *further]


def drop_stale_markers(layout: Layout) -> None:
    """Remove markers of jobs whose results are not there (any more), so that the workflow does them again."""
    for stage, identifier in layout.jobs():
        marker = layout.folder / layout.marker(stage, identifier)
        if marker.is_file() and not layout.finished(stage, identifier):
            marker.unlink()


def run_snakemake(command: Sequence[str], share_gpus: bool) -> int:
    """Run it; it and its jobs end when this process ends.

    Args:
        command: Command line by :func:`snakemake_command`.
        share_gpus: Whether jobs run on this machine and share its GPUs.

    Returns:
        The exit status.
    """
    environment = {**os.environ, GPUS_VARIABLE: ",".join(visible_gpus(os.environ))} if share_gpus else None
    # A group of their own, so that all of them can be told to end.
    snakemake = subprocess.Popen(command, preexec_fn=die_with_parent, env=environment, start_new_session=True)
    try:
        return snakemake.wait()
    except BaseException:
        _end_group(snakemake)
        raise


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it has started, which may tidy up first."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_TO_TIDY_UP)


def unfinished(layout: Layout) -> dict[tuple[str, str], str]:
    """Jobs without a result that were started → the last lines of their log; jobs that wait for them are left out."""
    tails = {}
    for stage, identifier in layout.jobs():
        log = layout.log(stage, identifier)
        if not layout.finished(stage, identifier) and log.is_file():
            lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
            tails[stage, identifier] = "\n    ".join(lines[-_TAIL:])
    return tails


def summary(layout: Layout) -> tuple[str, bool]:
    """What is finished and what is not, in words; and whether all is."""
    lines = []
    for stage in ("pretrain", "map", "train", "test"):
        jobs = [i for s, i in layout.jobs() if s == stage]
        if stage == "map" and not jobs:
            continue
        done = sum(layout.finished(stage, i) for i in jobs)
        lines.append(f"{stage}: {done} of {len(jobs)} finished")
    failed = unfinished(layout)
    for (stage, identifier), text in failed.items():
        lines.append(f"not finished: {stage} {identifier}\n    {text}\n    log: {layout.log(stage, identifier)}")
    complete = all(layout.finished(stage, i) for stage, i in layout.jobs())
    if not complete:
        lines.append("Run the same command again to continue; finished work is not repeated.")
    return "\n".join(lines), complete
