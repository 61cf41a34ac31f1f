"""The findings as one table: on screen what is wrong, in the CSV every check of every scan."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from nnunet_uad.common.csv_files import write_csv_file
from nnunet_uad.quality.findings import Finding, worst
from nnunet_uad.quality.names import OK, TABLE

_COLUMNS = ("scan", "verdict", "check", "finding", "number", "value", "low", "high", "unit", "score", "sentence")
_WIDTH = 118
Findings = Mapping[str, Sequence[Finding]]


def write_table(folder: Path, findings: Findings, failed: Mapping[str, str]) -> Path:
    """Write ``checks.csv``, a row per check of each scan.

    Args:
        folder: Folder to write into.
        findings: Findings by scan.
        failed: Reasons why scans could not be checked.

    Returns:
        The file.
    """
    rows: list[Sequence[object]] = []
    for case, found in sorted(findings.items()):
        verdict = worst(found)
        rows += [
            (case, verdict, f.check, f.verdict, f.number, *map(_rounded, (f.value, f.low, f.high)), f.unit,
             _rounded(f.score), f.sentence)
            for f in found
        ]  # fmt: skip
    rows += [
        (case, "failed", "", "", "", None, None, None, "", None, reason) for case, reason in sorted(failed.items())
    ]
    return write_csv_file(folder / TABLE, _COLUMNS, rows)


def screen_lines(findings: Findings) -> Iterable[str]:
    """The table on screen: a line per scan and per check that is not ok, with its sentence below.

    Args:
        findings: Findings by scan.
    """
    width = max([4, *map(len, findings)])
    yield f"{'scan':{width}}  {'verdict':8} {'check':12} what is wrong: value (what the training scans allow)"
    for case, found in sorted(findings.items()):
        told = sorted((f for f in found if f.verdict != OK), key=lambda f: -(f.score or 1e9))
        if not told:
            yield f"{case:{width}}  {OK:8} {len(found)} checks"
        for index, finding in enumerate(told):
            number = f"{finding.number}: {finding.value:.3g} ({finding.range})" if finding.value is not None else ""
            yield f"{'' if index else case:{width}}  {finding.verdict:8} {finding.check:12} {number}".rstrip()
            yield from textwrap.wrap(
                finding.sentence, _WIDTH, initial_indent=(" " * (width + 11)), subsequent_indent=" " * (width + 11)
            )


def _rounded(value: float | None) -> float | None:
    """A cell without digits that mean nothing."""
    return None if value is None else float(f"{value:.4g}")
