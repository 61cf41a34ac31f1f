"""What is refused before the first training step."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from nnunet_uad.common.nnunet import dataset_number


def check_results_folder(variable: str = "nnUNet_results") -> None:
    """Refuse a results folder that is not set or cannot be written.

    Args:
        variable: Name of the environment variable that holds it.

    Raises:
        RuntimeError: The folder cannot be used; names the variable, what was found and how to fix it.
    """
    value = os.environ.get(variable)
    if not value:
        raise RuntimeError(
            f"The environment variable {variable} is not set, so there is nowhere to write the training. "
            f"Set it: export {variable}=/path/to/{variable}  (nnunet_uad doctor checks all of them)"
        )
    # Shells take off quotes and expand a tilde; where they do not, a folder of that very name would be made here.
    if value[0] in "\"'~":
        raise RuntimeError(
            f"{variable}={value} begins with {value[0]}, which is no part of a path. Write the full path, without "
            f"quotes in the value: export {variable}=/path/to/{variable}"
        )
    folder = Path(value)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".nnunet_uad_"):
            pass
    except OSError as error:
        raise RuntimeError(
            f"{variable}={value} cannot be written ({error.strerror}). Make the folder writable or point "
            f"the variable elsewhere: export {variable}=/path/to/a/writable/folder"
        ) from error


def check_preprocessed(folder: str | Path, dataset: str, configuration: str, plans: str) -> None:
    """Refuse a configuration that is planned and not preprocessed.

    Args:
        folder: Folder of the preprocessed cases.
        dataset: Name of the dataset.
        configuration: Name of the configuration.
        plans: Name of the plans.

    Raises:
        FileNotFoundError: The folder does not exist; names the command that makes it.
    """
    if not Path(folder).is_dir():
        raise FileNotFoundError(
            f"{folder} does not exist: {configuration} of {dataset} is planned, not preprocessed. Preprocess: "
            f"nnUNetv2_preprocess -d {dataset_number(dataset)} -c {configuration} -plans_name {plans}"
        )


def check_free_space(folder: str | Path, needed_bytes: int) -> None:
    """Refuse to start where the checkpoints would not fit.

    Args:
        folder: Folder on the disk to write to.
        needed_bytes: Space that the checkpoints need, bytes.

    Raises:
        RuntimeError: The disk is too full; names free and needed space.
    """
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise RuntimeError(
            f"The results folder {folder} has {free / 1e9:.2f} GB free; the checkpoints of this training need "
            f"about {needed_bytes / 1e9:.2f} GB. Free some space or point nnUNet_results to a larger disk."
        )


def check_finite(dataset: Any, identifiers: Iterable[str]) -> None:
    """Refuse preprocessed images that hold NaN or infinity: one such patch ruins all weights.

    Args:
        dataset: Any nnU-Net dataset (``load_case(identifier)`` → data, seg, seg_prev, properties).
        identifiers: Cases to read.

    Raises:
        ValueError: Images are not finite; names their cases.
    """
    keys = sorted(set(identifiers))

    def is_finite(key: str) -> bool:
        """Whether all voxels of a case are."""
        return bool(np.isfinite(np.asarray(dataset.load_case(key)[0][:])).all())

    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        finite = list(tqdm(pool.map(is_finite, keys), total=len(keys), desc="checking images", leave=False))
    bad = [key for key, ok in zip(keys, finite, strict=True) if not ok]
    if bad:
        raise ValueError(
            f"The preprocessed images of {len(bad)} case(s) hold NaN or infinite values: {', '.join(bad[:10])}"
            f"{' …' if len(bad) > 10 else ''}. Fix or remove the raw images, then preprocess again "
            "(nnUNetv2_plan_and_preprocess -d DATASET --verify_dataset_integrity)."
        )
