"""The checks behind ``nnunet_uad doctor``."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from shlex import quote
from typing import Literal

from nnunet_uad.common.devices import missing_device
from nnunet_uad.common.trainer_folders import VARIABLE, defined_elsewhere, other_folders, plugin_first
from nnunet_uad.common.workers import cores, free_memory, most_processes
from nnunet_uad.training.checks import check_results_folder

#: Command that lets nnU-Net find the trainers.
ENV = 'eval "$(nnunet_uad env)"'
_LOW_DISK_GB = 10
_SUPPORTED_NNUNET = (2, 8), (3, 0)


@dataclass(frozen=True)
class CheckResult:
    """Outcome of a check.

    Attributes:
        name: Name of what was checked.
        status: ``ok``, ``warning`` or ``failed``.
        found: Words for what was found.
        fix: Command or words that fix it unless it is ``ok``.
    """

    name: str
    status: Literal["ok", "warning", "failed"]
    found: str
    fix: str = ""


def run_checks(device: str) -> Iterator[CheckResult]:
    """All checks, in the order in which a user would fix them."""
    # The default device is what most commands would end at where there is no GPU.
    yield check_device(device)
    yield check_bfloat16()
    yield from check_versions()
    yield check_torchvision()
    yield from check_folders()
    yield from check_trainers()
    yield check_workers()
    yield check_disk()


def check_versions() -> Iterator[CheckResult]:
    """Versions; nnU-Net's must be one that the hooks were tested with."""
    for name in ("nnunet_uad", "torch"):
        yield CheckResult(f"version of {name}", "ok", metadata.version(name))
    found = metadata.version("nnunetv2")
    lower, upper = _SUPPORTED_NNUNET
    version = tuple(int(part) for part in found.split(".")[:2])
    good = lower <= version < upper
    yield CheckResult("version of nnunetv2", "ok" if good else "failed", found, "pip install 'nnunetv2>=2.8,<3'")


def check_torchvision() -> CheckResult:
    """nnU-Net's search for external trainers imports torchvision through timm."""
    try:
        found = importlib.import_module("torchvision").__version__
    except (ImportError, RuntimeError) as error:
        return CheckResult(
            "torchvision",
            "failed",
            f"not importable ({error})",
            "nnU-Net cannot find any external trainer without it. Install the pair that belongs together: "
            "pip install --upgrade torch torchvision",
        )
    return CheckResult("torchvision", "ok", found)


def check_folders() -> Iterator[CheckResult]:
    """nnU-Net's three variables; the results folder must be writable."""
    for variable in ("nnUNet_raw", "nnUNet_preprocessed"):
        value = os.environ.get(variable)
        if not value:
            yield CheckResult(variable, "failed", "not set", f"export {variable}=/path/to/{variable}")
        elif not Path(value).is_dir():
            yield CheckResult(variable, "failed", f"{value} is no folder", f"mkdir -p {quote(value)}")
        else:
            yield CheckResult(variable, "ok", value)
    try:
        check_results_folder()
    except RuntimeError as error:
        yield CheckResult("nnUNet_results", "failed", "cannot be used", str(error))
    else:
        yield CheckResult("nnUNet_results", "ok", os.environ["nnUNet_results"])


def check_trainers() -> Iterator[CheckResult]:
    """Whether nnU-Net's own lookup finds each trainer, and finds ours."""
    if not os.environ.get(VARIABLE):
        yield CheckResult(VARIABLE, "failed", "not set", f"{ENV} (and put it where you set nnU-Net's other variables)")
        return
    from nnunet_uad.plugin import nnunet_uad_trainers

    for name in nnunet_uad_trainers.__all__:
        yield _check_trainer(name, getattr(nnunet_uad_trainers, name))


def _check_trainer(name: str, expected: type) -> CheckResult:
    from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

    try:
        with contextlib.redirect_stdout(io.StringIO()):
            found = recursive_find_trainer_class_by_name(name)
    except Exception as error:  # whatever a foreign module raises on import ends nnU-Net's search
        fix = (
            f"What fails to import lies in {', '.join(other_folders())}. Remove it there, or let nnU-Net look here "
            f"first: export {VARIABLE}={quote(plugin_first(os.environ[VARIABLE]))}"
        )
        return CheckResult(name, "failed", f"lookup failed ({type(error).__name__}: {error})", fix)
    other = defined_elsewhere(name)
    if found is not expected:
        where = other or f"the module {found.__module__}"
        fix = f"{ENV} puts this plugin first, so that its trainer is found; or rename the class in {where}."
        return CheckResult(name, "failed", f"nnU-Net finds {found.__module__}.{found.__name__} instead", fix)
    if other:
        fix = "nnU-Net takes the first class of a name, this plugin's. Rename the other if you want to train with it."
        return CheckResult(name, "warning", f"found in {found.__module__}; {other} has a class of that name, too", fix)
    return CheckResult(name, "ok", f"found in {found.__module__}")


def check_device(device: str) -> CheckResult:
    """Whether torch can use the device."""
    import torch

    why = missing_device(device)
    if why:
        fix = "Add -device cpu to every command that has -device (in a study device: cpu), or fix driver and torch."
        return CheckResult("device", "warning", why, fix)
    found = torch.cuda.get_device_name() if device == "cuda" else f"{device}, {os.cpu_count()} cores"
    return CheckResult("device", "ok", found)


def check_bfloat16() -> CheckResult:
    """What the processor can, for trainings and predictions on the CPU."""
    from nnunet_uad.common.precision import bfloat16_instructions

    found = bfloat16_instructions()
    words = (
        f"yes ({found}): steps on the CPU take about half the time"
        if found
        else "no instructions for it: on this CPU amp=auto computes in float32"
    )
    return CheckResult("bfloat16", "ok", words)


def check_workers() -> CheckResult:
    """More background workers than cores, or than fit into memory, slow everything down."""
    from nnunetv2.configuration import default_num_processes
    from nnunetv2.utilities.default_n_proc_DA import get_allowed_n_proc_DA

    loading, export, most = get_allowed_n_proc_DA(), default_num_processes, most_processes()
    memory = free_memory()
    room = "" if memory is None else f", {memory / 1024**3:.0f} GiB of memory free"
    found = f"{loading} for data, {export} for export; {cores()} cores{room}"
    if max(loading, export) <= 2 * most:
        return CheckResult("workers", "ok", found)
    fix = f"export nnUNet_n_proc_DA={most} nnUNet_def_n_proc={most}; and nnUNetv2_predict … -npp 1 -nps 1"
    return CheckResult("workers", "warning", found, fix)


def check_disk() -> CheckResult:
    """Free space where results go."""
    folder = os.environ.get("nnUNet_results", "")
    if not Path(folder).is_dir() or not folder:
        return CheckResult("disk", "warning", "no results folder to look at", "Set nnUNet_results first.")
    free = shutil.disk_usage(folder).free / 1e9
    status: Literal["ok", "warning"] = "ok" if free > _LOW_DISK_GB else "warning"
    return CheckResult("disk", status, f"{free:.0f} GB free", "A full-size training needs up to 2 GB; free some space.")
