"""Arrays and a record in one file that cannot run code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from nnunet_uad.common.files import atomic_path
from nnunet_uad.common.schema import build

T = TypeVar("T")
_KEY = "nnunet_uad"


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], record: Mapping[str, Any]) -> None:
    """Write arrays and a record atomically.

    Args:
        path: File to write.
        arrays: Arrays of any shape by name.
        record: Record that survives a JSON round trip.
    """
    content = save({k: np.ascontiguousarray(a) for k, a in arrays.items()}, metadata={_KEY: json.dumps(record)})
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def read_arrays(path: Path, form: type[T], shapes: Mapping[str, int], fix: str) -> tuple[dict[str, np.ndarray], T]:
    """Read arrays and their record.

    Args:
        path: File to read.
        form: Dataclass of the record.
        shapes: Number of axes of every array that must be there, by name.
        fix: Sentence that says what to do, for the errors.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is damaged, or of another kind; names it.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist. {fix}")
    try:
        with safe_open(path, framework="numpy") as handle:
            metadata = handle.metadata() or {}
            arrays = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
        record = build(form, json.loads(metadata[_KEY]), str(path), ignore_unknown=True)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged, or of another kind ({error}). {fix}") from error
    for name, axes in shapes.items():
        if name not in arrays or arrays[name].ndim != axes or not np.isfinite(arrays[name].astype(float)).all():
            raise ValueError(f"{path} expects {name} as finite numbers with {axes} axes. {fix}")
    return arrays, record
