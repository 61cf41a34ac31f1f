"""One self-contained page: every scan with its picture, its verdict and all checks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnunet_uad.common.files import write_text
from nnunet_uad.common.pages import render_page
from nnunet_uad.quality.findings import worst
from nnunet_uad.quality.names import PAGE, TABLE, VERDICTS
from nnunet_uad.quality.tables import Findings

_TEMPLATE = Path(__file__).resolve().parent / "templates" / "check.html"


def write_page(
    folder: Path, title: str, promise: str, findings: Findings, pictures: Mapping[str, str], failed: Mapping[str, str]
) -> Path:
    """Write ``index.html``, the scans that are unfit first.

    Args:
        folder: Folder to write into.
        title: Heading of the page.
        promise: Sentence that says what is compared with what, and how often fit scans are called unfit.
        findings: Findings by scan.
        pictures: Addresses of the pictures inside the page, by scan; a scan that could not be read has none.
        failed: Reasons why scans could not be checked.

    Returns:
        The page.
    """
    scans: list[dict[str, Any]] = [
        {"name": case, "verdict": worst(found), "findings": found, "picture": pictures.get(case, "")}
        for case, found in sorted(findings.items())
    ]
    scans.sort(key=lambda scan: -VERDICTS.index(scan["verdict"]))
    counts = {verdict: sum(scan["verdict"] == verdict for scan in scans) for verdict in reversed(VERDICTS)}
    content = {
        "title": title,
        "promise": promise,
        "counts": counts,
        "scans": scans,
        "failed": dict(failed),
        "table": TABLE,
    }
    write_text(folder / PAGE, render_page(_TEMPLATE, content))
    return folder / PAGE
