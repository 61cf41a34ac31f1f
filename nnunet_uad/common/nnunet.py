"""nnU-Net's folders: where its variables point, which dataset a number means, where the plugin lies."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PLUGIN_FOLDER = Path(__file__).resolve().parent.parent / "plugin"


def required_folder(variable: str) -> Path:
    """The folder that an nnU-Net environment variable names.

    Raises:
        RuntimeError: the variable is not set or names no folder.
    """
    value = os.environ.get(variable)
    if not value or not Path(value).is_dir():
        raise RuntimeError(
            f"The environment variable {variable} is {f'set to {value!r}, which is no folder' if value else 'not set'}"
            f". Set it: export {variable}=/path/to/{variable}"
        )
    return Path(value)


def dataset_folder(variable: str, dataset: str) -> Path:
    """The folder of a dataset, given as a number or a name, below nnUNet_raw or nnUNet_preprocessed.

    Raises:
        ValueError: no such dataset, or several of that number.
    """
    root = required_folder(variable)
    try:
        return root / dataset_name(root, dataset)
    except ValueError as error:
        mend = " Plan and preprocess first: nnUNetv2_plan_and_preprocess" if variable.endswith("processed") else ""
        raise ValueError(f"{variable}: {error}{mend}") from error


def dataset_name(root: Path, dataset: str) -> str:
    """Full name of a dataset that has a folder below ``root``, given as a number or a name.

    Raises:
        ValueError: no such dataset, or several of that number.
    """
    pattern = f"Dataset{int(dataset):03d}_*" if dataset.isdigit() else dataset
    found = sorted(p.name for p in root.glob(pattern) if p.is_dir())
    if len(found) != 1:
        there = ", ".join(p.name for p in sorted(root.glob("Dataset*"))) or "none"
        raise ValueError(f"Expected one dataset {dataset!r} in {root}, found {len(found)}. Datasets there: {there}.")
    return found[0]


def channel_names(dataset_json: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of a dataset's channels, in their order.

    Args:
        dataset_json: Content of the dataset's ``dataset.json``.

    Example:
        >>> channel_names({"channel_names": {"0": "FLAIR", "1": "T1"}})
        ('FLAIR', 'T1')
    """
    return tuple(str(name) for name in dataset_json["channel_names"].values())


def load_json(path: Path, mend: str) -> dict[str, Any]:
    """Read a JSON file.

    Raises:
        FileNotFoundError: not there; ``mend`` says which command makes it.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist. Make it: {mend}")
    return json.loads(path.read_text(encoding="utf-8"))
