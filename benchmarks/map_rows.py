"""Rows of a table of anomaly maps, from summaries of ``nnunet_uad evaluate`` over the same cases.

    python benchmarks/map_rows.py --floor "FLAIR, smoothed 2 mm" maps.json robust_z:FLAIR@2mm \
        --score DAE maps.json map --score "FLAIR, equalised" maps.json intensity:FLAIR -o rows.csv

The floor of a table is best the strongest one, which ``nnunet_uad evaluate`` names. Weaker scales have no masks and no
pooled intervals in its summary: their cells stay empty; ``benchmarks/smoothed_intensity.py`` writes them as maps.
Differences are those of the average precision per case to the floor's; their intervals resample the cases.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nnunet_uad.metrics.anomaly import paired_difference
from nnunet_uad.metrics.lesion_recall import SIZES, recall_key

#: Heading → part of the summary and metric, with an interval.
VALUES = {
    "AP": ("pooled", "AP"),
    "mean AP": ("mean_over_cases", "AP"),
    "oracle Dice": ("pooled", "best_dice_oracle"),
    "AUROC": ("pooled", "AUROC"),
    "AUPRO": ("pooled", "AUPRO"),
    "found at 1 %": ("pooled", recall_key(SIZES[0], 0.01)),
    "small found at 1 %": ("pooled", recall_key(SIZES[1], 0.01)),
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
        case, reason = next(iter(content["failed"].items()))
        raise ValueError(f"{path}: {len(content['failed'])} case(s) were left out: {case}: {reason}.")
    return content


def precisions(summary: dict[str, Any], score: str) -> Precisions:
    """Average precision per case and label file.

    Args:
        summary: What ``nnunet_uad evaluate`` wrote.
        score: Name of the score in it, ``map`` or a baseline's.

    Raises:
        ValueError: A case has no lesion, hence no average precision; names it.
    """
    found: Precisions = {}
    for case in summary["metric_per_case"]:
        value = case["metrics"][score]["AP"]
        if value is None:
            raise ValueError(f"{case['map']}: {case['identifier']} has no lesion, hence no average precision.")
        found[case["identifier"], case["label"]] = value
    return found


def row(name: str, summary: dict[str, Any], score: str) -> dict[str, str]:
    """One row without differences; values without an interval leave its ends empty.

    Args:
        name: Name of the row.
        summary: What ``nnunet_uad evaluate`` wrote.
        score: Name of the score in it.
    """
    found = summary["scores"][score]
    made = {"score": name, "cases": str(len(summary["metric_per_case"]))}
    for heading, (part, metric) in VALUES.items():
        value = found[part].get(metric)
        # Summaries of earlier versions, and cases without a small lesion, say nothing of small lesions.
        if value and value["value"] is not None:
            made |= with_interval(heading, value["value"], value["interval_95"])
    for heading, (metric, digits) in LESIONS.items():
        if "oracle" in found["masks"]:
            made[heading] = f"{found['masks']['oracle']['pooled'][metric]['value']:.{digits}f}"
    return made


def with_interval(heading: str, value: float, ends: Sequence[float] | None) -> dict[str, str]:
    """Cells of a value and, where there is one, its interval.

    Args:
        heading: Heading of the value.
        value: Number.
        ends: Ends of its interval.
    """
    headings = (heading, f"{heading} low", f"{heading} high")
    return dict(zip(headings, map("{:.3f}".format, (value, *(ends or ()))), strict=False))


def difference(own: Precisions, floor: Precisions) -> dict[str, str]:
    """Mean of the paired differences, its 95 % interval, and the share of cases above the floor.

    Args:
        own: Average precisions of a score.
        floor: Average precisions of the floor.

    Raises:
        ValueError: They are of other cases or labels, of which one is named, or of none.
    """
    if own.keys() != floor.keys():
        raise ValueError(f"Other cases or labels than the floor's: {sorted(own.keys() ^ floor.keys())[0]}.")
    found = paired_difference(own, floor)
    if found is None:
        raise ValueError("No case has an average precision.")
    made = with_interval("difference", found["value"], found["interval_95"])
    return made | {"share better": f"{found['share_better']:.2f}"}


def main() -> None:
    """Read the summaries and write the rows, the floor's last."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = ("NAME", "SUMMARY", "SCORE")
    parser.add_argument("--floor", nargs=3, required=True, metavar=parts, help="what the others are compared with")
    parser.add_argument("--score", nargs=3, action="append", required=True, metavar=parts, help="another row")
    parser.add_argument("-o", type=Path, required=True, help="CSV to write")
    a = parser.parse_args()
    (floor_name, floor_path, floor_score), rows = a.floor, []
    floor = summary_of(Path(floor_path))
    for name, path, score in a.score:
        summary = summary_of(Path(path))
        compared = difference(precisions(summary, score), precisions(floor, floor_score))
        rows.append(row(name, summary, score) | compared)
    rows.append(row(floor_name, floor, floor_score))
    names = list(dict.fromkeys(name for made in rows for name in made))
    with a.o.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, names, lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
