"""CSV files that spreadsheets show as they are: no cell begins a formula."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from nnunet_uad.common.files import atomic_path

#: What spreadsheets take for the start of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def write_csv_file(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Path:
    """Write a table, atomically; what is not there (``None``, NaN) is an empty cell.

    Args:
        path: File to write.
        columns: Headings of the columns.
        rows: Cells of each row; numbers are written as they are, texts by :func:`cell`.

    Returns:
        The file.
    """
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow([cell(name) for name in columns])
        writer.writerows([cell(value) for value in row] for row in rows)
    return path


def cell(value: Any) -> Any:
    """A value as it stands in a CSV: a text that a spreadsheet would compute gets an apostrophe before it.

    Args:
        value: Number, text, or ``None``.

    Example:
        >>> cell("=2+2"), cell("-0.5 mm"), cell(-0.5), cell(None)
        ("'=2+2", "'-0.5 mm", -0.5, '')
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
