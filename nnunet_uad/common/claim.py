"""A folder holds what was made in one way: its record says how, and nothing made otherwise is mixed in."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nnunet_uad.common.files import write_json
from nnunet_uad.common.json_files import read_mapping


def _never(key: str, old: Any, new: Any) -> bool:
    return False


def claim(
    path: Path,
    record: Mapping[str, Any],
    contents: str,
    remedy: str,
    overwrite: bool = False,
    may_differ: Callable[[str, Any, Any], bool] = _never,
    clear: Callable[[], None] | None = None,
) -> None:
    """Write ``record`` into a folder, unless the folder holds what was made in another way.

    Args:
        path: File of the record, in the folder that is claimed; the folder is made if it does not exist.
        record: Description of how the contents are made; survives a JSON round trip.
        contents: Word for what the folder holds, for the error: ``maps``.
        remedy: Sentence that says what to do instead, for the error.
        overwrite: Whether contents that were made in another way may be replaced.
        may_differ: Function of a key, its earlier and its new value: whether the two may stand beside each other.
        clear: Function that deletes earlier contents. It is called before a record takes the place of another, and
            whenever contents are overwritten: what lies beside a record was made as it says, also if this is
            interrupted.

    Raises:
        ValueError: The folder holds something else and ``overwrite`` is off, or its record cannot be read; names what
            differs.

    Example:
        >>> claim(Path("MAPS/anomaly_maps.json"), {"seed": 1}, "maps", "Choose another -o.")
        >>> claim(Path("MAPS/anomaly_maps.json"), {"seed": 2}, "maps", "Choose another -o.")
        Traceback (most recent call last):
        ValueError: MAPS holds maps that were made differently (seed). Choose another -o. (Record: anomaly_maps.json)
    """
    if path.is_file():
        earlier = read_mapping(path, remedy)
        changed = differences(earlier, json.loads(json.dumps(record)), may_differ)
        if changed and not overwrite:
            raise ValueError(
                f"{path.parent} holds {contents} that were made differently ({', '.join(changed)}). "
                f"{remedy} (Record: {path.name})"
            )
        if clear is not None and (changed or overwrite):
            clear()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, record)


def differences(
    earlier: Mapping[str, Any], record: Mapping[str, Any], may_differ: Callable[[str, Any, Any], bool] = _never
) -> list[str]:
    """Keys whose values differ between two records, except those that may.

    Args:
        earlier: Record that was written before.
        record: Record that is to be written.
        may_differ: Function of a key and both values, ``None`` where a record lacks the key.

    Example:
        >>> differences({"seed": 1, "folds": ["0"]}, {"seed": 2, "folds": ["0"]})
        ['seed']
    """
    return [
        key
        for key in {**record, **earlier}
        if (earlier.get(key) != record.get(key)) and not may_differ(key, earlier.get(key), record.get(key))
    ]
