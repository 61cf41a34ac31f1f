"""Rows of a table of anomaly maps, from summaries of ``nnunet_uad evaluate`` over the same cases.

    python benchmarks/map_rows.py --floor "FLAIR, smoothed" smoothed.json map --score DAE maps.json map \
        --score "FLAIR, equalised" maps.json intensity:FLAIR -o docs/results/rows/maps_on_gliomas.csv

Differences are those of the average precision per case to the floor's; their intervals resample the cases.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

RESAMPLES = 10_000
#: Heading → part of the summary and metric, with an interval.
VALUES = {
    "AP": ("pooled", "AP"),
    "mean AP": ("mean_over_cases", "AP"),
    "oracle Dice": ("pooled", "best_dice_oracle"),
    "AUROC": ("pooled", "AUROC"),
    "AUPRO": ("pooled", "AUPRO"),
}
LESIONS = {"lesion recall": ("lesion_recall", 3), "false positives per scan": ("false_positives_per_scan", 1)}
Precisions = dict[tuple[str, str], float]


def summary_of(path: Path) -> dict[str, Any]:
    """What ``nnunet_uad evaluate`` wrote.

    Args:
        path: File of the summary.

    Raises:
        ValueError: Cases were left out; names the first.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    if content["failed"]:
        raise ValueError(f"{path}: {len(content['failed'])} case(s) were left out: {content['failed'][0]}.")
    return content


def precisions(path: Path, score: str) -> Precisions:
    """Average precision per case and label file.

    Args:
        path: File of the summary.
        score: Name of the score in it, ``map`` or a baseline's.

    Raises:
        ValueError: A case has no lesion, hence no average precision; names it.
    """
    found: Precisions = {}
    for case in summary_of(path)["metric_per_case"]:
        value = case["metrics"][score]["AP"]
        if value is None:
            raise ValueError(f"{path}: {case['identifier']} has no lesion, hence no average precision.")
        found[case["identifier"], case["label"]] = value
    return found


def row(name: str, path: Path, score: str, floor: Precisions) -> dict[str, str]:
    """One row; values without an interval leave its ends empty.

    Args:
        name: Name of the row.
        path: File of the summary.
        score: Name of the score in it.
        floor: Average precisions of the floor.

    Raises:
        ValueError: The summary has other cases or labels than the floor's.
    """
    found, cases = summary_of(path)["scores"][score], precisions(path, score)
    if cases.keys() != floor.keys():
        raise ValueError(f"{path}: other cases or labels than the floor's: {sorted(cases.keys() ^ floor.keys())[0]}.")
    made = {"score": name, "cases": str(len(cases))}
    for heading, (part, metric) in VALUES.items():
        value = found[part][metric]
        numbers = [value["value"], *(value["interval_95"] or ())]
        made |= dict(zip((heading, f"{heading} low", f"{heading} high"), map("{:.3f}".format, numbers), strict=False))
    for heading, (metric, digits) in LESIONS.items():
        made[heading] = f"{found['masks']['oracle']['pooled'][metric]['value']:.{digits}f}"
    values = np.array([cases[c] - floor[c] for c in floor])
    return made | difference(values) if values.any() else made


def difference(values: np.ndarray) -> dict[str, str]:
    """Mean of paired differences, its 95 % bootstrap interval, and the share above 0.

    Args:
        values: One difference per case (cases,).
    """
    means = np.random.default_rng(0).choice(values, (RESAMPLES, len(values))).mean(1)
    ends = [values.mean(), *np.percentile(means, [2.5, 97.5])]
    made = dict(zip(("difference", "difference low", "difference high"), map("{:.3f}".format, ends), strict=True))
    return made | {"share better": f"{(values > 0).mean():.2f}"}


def main() -> None:
    """Read the summaries and write the rows, the floor's last."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = ("NAME", "SUMMARY", "SCORE")
    parser.add_argument("--floor", nargs=3, required=True, metavar=parts, help="what the others are compared with")
    parser.add_argument("--score", nargs=3, action="append", required=True, metavar=parts, help="another row")
    parser.add_argument("-o", type=Path, required=True, help="CSV to write")
    a = parser.parse_args()
    floor = precisions(Path(a.floor[1]), a.floor[2])
    rows = [row(name, Path(path), score, floor) for name, path, score in (*a.score, a.floor)]
    names = list(dict.fromkeys(name for made in rows for name in made))
    with a.o.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, names, lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
