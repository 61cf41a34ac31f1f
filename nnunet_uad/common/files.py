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
        path: the final name.
        keep_suffix: let the temporary name end like the final one, for writers that choose the format by it.
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
    """Write ``content`` as indented JSON, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
