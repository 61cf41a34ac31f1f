"""All findings of a folder as one table, and all cases as another."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnunet_uad.common.csv_files import write_csv_file
from nnunet_uad.screening.export import CaseRow
from nnunet_uad.screening.findings import KNOWN, UNKNOWN, Finding
from nnunet_uad.screening.names import CASES, FINDINGS

_COLUMNS = tuple(field.name for field in dataclasses.fields(Finding))
_SUMS = ("findings", "volume_mm3")
#: Digits behind the point that are written: of positions and volumes, of scores, of shares.
_MM, _SCORE, _SHARE = 2, 4, 6


def write_tables(folder: Path, rows: Mapping[str, CaseRow], failed: Mapping[str, str]) -> tuple[Path, Path]:
    """Write ``findings.csv``, a row per finding, and ``cases.csv``, a row per case, those without findings too.

    Args:
        folder: Folder to write into.
        rows: Finished cases.
        failed: Reasons why cases could not be done, by identifier.

    Returns:
        Both files.
    """
    found = [
        (case, *(_rounded(name, getattr(finding, name)) for name in _COLUMNS))
        for case, row in sorted(rows.items())
        for finding in row.findings
    ]
    counts: list[tuple[Any, ...]] = []
    for case, row in sorted(rows.items()):
        kinds = [[f.volume_mm3 for f in row.findings if f.kind == kind] for kind in (KNOWN, UNKNOWN)]
        numbers = [number for volumes in kinds for number in (len(volumes), round(sum(volumes), _MM))]
        counts.append((case, *numbers, round(row.called_unknown, _SHARE), ""))
    counts += [(case, *(None,) * 5, reason) for case, reason in sorted(failed.items()) if case not in rows]
    columns = [f"{kind}_{what}" for kind in (KNOWN, UNKNOWN) for what in _SUMS]
    findings = write_csv_file(folder / FINDINGS, ("case", *_COLUMNS), found)
    return findings, write_csv_file(folder / CASES, ("case", *columns, "share_called_unknown", "failed"), counts)


def _rounded(name: str, value: Any) -> Any:
    """A cell without digits that nobody measured."""
    return round(value, _MM if "_mm" in name else _SCORE) if isinstance(value, float) else value
