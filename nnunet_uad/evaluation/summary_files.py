"""The files of an evaluation: a summary as JSON, and the same as a table beside it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from nnunet_uad.common.csv_files import write_csv_file
from nnunet_uad.common.files import write_json
from nnunet_uad.data.image_files import ending_of


def check_output(path: Path) -> None:
    """Refuse a place where a summary cannot be written, before the maps are read; makes its folder.

    Args:
        path: File of the summary.

    Raises:
        ValueError: The summary or the table beside it is a folder or an image, or both are one file.
        OSError: The folder cannot be made, or nothing can be written into it.
    """
    if ending_of(path):
        raise ValueError(f"-o is the JSON file to write, found the image {path}.")
    table = path.with_suffix(".csv") if path.name else path
    for file in (path, table):
        if file.is_dir():
            raise ValueError(f"-o is a file to write, found the folder {file}. Name one: -o {file / 'summary.json'}")
    if table == path:
        raise ValueError(f"-o names the JSON file; the table goes beside it as .csv: -o {path.with_suffix('.json')}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent):
        pass


def write_evaluation(summary: dict[str, Any], path: Path) -> Path:
    """Write ``summary`` as JSON to ``path`` and as a table beside it; returns the path of the table."""
    write_json(path, summary)
    rows = []
    for score, content in summary["scores"].items():
        rows += _rows(score, "pooled", "", content["pooled"])
        rows += _rows(score, "mean over cases", "", content["mean_over_cases"])
        for kind, mask in content["masks"].items():
            rows += _rows(score, "pooled", kind, mask["pooled"])
            rows += _rows(score, "mean over cases", kind, mask["mean_over_cases"])
    if floor := summary["strongest_floor"]:
        rows += _rows(f"map - {floor['score']}", "mean over cases", "", floor["map_minus_floor"])
    for case in summary["metric_per_case"]:
        for score, metrics in case["metrics"].items():
            for name, value in metrics.items():
                group = {name: value} if not isinstance(value, dict) else value
                kind = name.removeprefix("masks/") if isinstance(value, dict) else ""
                rows += [(score, case["identifier"], kind, k, v, None, None) for k, v in group.items()]
    columns = ("score", "case", "mask", "metric", "value", "low_95", "high_95")
    return write_csv_file(path.with_suffix(".csv"), columns, rows)


def _rows(score: str, case: str, mask: str, group: dict[str, dict[str, Any]]) -> list[tuple]:
    return [
        (score, case, mask, metric, entry["value"], *(entry["interval_95"] or (None, None)))
        for metric, entry in group.items()
    ]
