"""Files that are either whole or absent."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def atomic_path(path: str | Path, keep_suffix: bool = False) -> Iterator[Path]:
    """Yield a temporary path in the same folder; on success it replaces ``path`` in one step.

    The data are flushed to disk before the rename, so neither ``kill -9`` nor a power cut leaves a
    half-written file under the final name. On an exception the temporary file is removed.

    Args:
        path: Final name of the file.
        keep_suffix: Whether the temporary name ends like the final one, for writers that choose the format by it.

    Yields:
        Name to write to.
    """
    path = Path(path)
    unique = uuid.uuid4().hex[:8]
    temporary = path.with_name(f".{unique}.{path.name}" if keep_suffix else f".{path.name}.{unique}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: str | Path, content: Any) -> None:
    """Write indented JSON, atomically.

    Args:
        path: Name of the file.
        content: Anything that :mod:`json` writes.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
