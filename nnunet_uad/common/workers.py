"""How many processes work beside a network: by cores, memory and cases."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from nnunet_uad.common.schema import shown

PROCESSES_VARIABLE = "nnUNet_def_n_proc"
#: More do not help: one network takes what so many prepare.
_MOST = 3
#: Bytes of a worker: PyTorch and nnU-Net, imported, and a volume with what is made of it.
_BYTES = 2 * 1024**3
#: Memory of a container, Linux: how much it may have, how much it has, and for what.
_CGROUP = tuple(Path("/sys/fs/cgroup") / name for name in ("memory.max", "memory.current", "memory.stat"))
_MEMINFO = Path("/proc/meminfo")


def cores() -> int:
    """Cores that this process may use: fewer than the machine has in a container, or a job of a cluster.

    Raises:
        ValueError: ``LOKY_MAX_CPU_COUNT``, which joblib obeys, holds no number.
    """
    # Imported here: the command line is read without it.
    import joblib

    try:
        return int(joblib.cpu_count())
    except ValueError as error:
        raise ValueError(
            "LOKY_MAX_CPU_COUNT expects a number of cores. Set it, or: unset LOKY_MAX_CPU_COUNT"
        ) from error


def free_memory() -> int | None:
    """Bytes of memory that are free, within the limit of a container; ``None`` where nobody says (not Linux)."""
    found = []
    with suppress(OSError, AttributeError):
        (kilobytes,) = re.findall(r"^MemAvailable:\s+(\d+) kB$", _MEMINFO.read_text(), re.MULTILINE)
        found.append(1024 * int(kilobytes))
    # "max" is no number: there is no limit.
    with suppress(OSError, ValueError):
        limit, used = (int(path.read_text()) for path in _CGROUP[:2])
        # Files that were read count as used until somebody wants the place.
        (cached,) = re.findall(r"^inactive_file (\d+)$", _CGROUP[2].read_text(), re.MULTILINE)
        found.append(limit - used + int(cached))
    return max(0, min(found)) if found else None


def process_limit() -> int | None:
    """What ``nnUNet_def_n_proc`` allows; ``None`` if it is not set.

    Raises:
        ValueError: The variable holds no number.
    """
    given = os.environ.get(PROCESSES_VARIABLE, "").strip()
    if given and not re.fullmatch("[0-9]{1,4}", given):
        raise ValueError(
            f"The environment variable {PROCESSES_VARIABLE} expects a number of processes, found {shown(given)}. Set "
            f"it: export {PROCESSES_VARIABLE}=8"
        )
    return int(given) if given else None


def most_processes() -> int:
    """Processes that cores and free memory carry at once, at least one."""
    memory = free_memory()
    return max(1, cores() if memory is None else min(cores(), memory // _BYTES))


def background_processes(given: int | None, cases: int, device: str) -> int:
    """Processes that prepare cases, or finish them, while this one runs the network: those asked for, or a choice.

    A worker imports PyTorch and nnU-Net before it does anything, six seconds of a core, and on a CPU it takes cores
    from the network: on two cores a prediction of 30 cases takes half as long without any worker
    (``docs/results/speed.md``).

    Args:
        given: Number that the user asked for, or ``None``.
        cases: Number of cases; of a single one nothing is done beside the network.
        device: Device of the network: ``cuda``, ``cpu`` or ``mps``; the work itself counts as one on the CPU.

    Returns:
        The number that was given; otherwise one from 0, which stands for this process, to 3, and not more than
        ``nnUNet_def_n_proc``.

    Raises:
        ValueError: ``nnUNet_def_n_proc`` holds no number.
    """
    if given is not None:
        return given
    most, memory = process_limit(), free_memory()
    limits = [_MOST, cores() // (4 if device == "cpu" else 2), cases - 1]
    limits += [] if most is None else [most]
    # Of workers that prepare and workers that finish there are so many each.
    limits += [] if memory is None else [memory // (2 * _BYTES)]
    return max(0, min(limits))
