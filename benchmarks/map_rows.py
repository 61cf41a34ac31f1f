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

import numpy as np

RESAMPLES = 10_000
#: Heading → metric of the pooled voxels that has an interval.
POOLED = {"AP": "AP", "oracle Dice": "best_dice_oracle"}


def row(name: str, summary: Path, score: str, floor: dict[str, float] | None) -> dict[str, str]:
    """One row.

    Args:
        name: Name of the row.
        summary: File written by ``nnunet_uad evaluate``.
        score: Name of the score in it, ``map`` or a baseline's.
        floor: Average precision of the floor per case; ``None`` for the floor's own row.

    Raises:
        KeyError: The summary has no such score, or other cases than the floor's.
    """
    content = json.loads(summary.read_text(encoding="utf-8"))
    found, cases = content["scores"][score], case_precisions(summary, score)
    made = {"score": name, "cases": str(len(cases))}
    values = {heading: found["pooled"][metric] for heading, metric in POOLED.items()}
    for heading, value in {**values, "mean AP": found["mean_over_cases"]["AP"]}.items():
        numbers = [value["value"], *(value["interval_95"] or ())]
        made |= dict(zip((heading, f"{heading} low", f"{heading} high"), map("{:.3f}".format, numbers), strict=False))
    for metric in ("AUROC", "AUPRO"):
        made[metric] = f"{found['pooled'][metric]['value']:.3f}"
    lesions = found["masks"]["oracle"]["pooled"]
    made["lesion recall"] = f"{lesions['lesion_recall']['value']:.3f}"
    made["false positives per scan"] = f"{lesions['false_positives_per_scan']['value']:.1f}"
    return made if floor is None else made | difference(np.array([cases[c] - floor[c] for c in floor]))


def case_precisions(summary: Path, score: str) -> dict[str, float]:
    """Average precision per case.

    Args:
        summary: File written by ``nnunet_uad evaluate``.
        score: Name of the score in it.
    """
    cases = json.loads(summary.read_text(encoding="utf-8"))["metric_per_case"]
    return {case["identifier"]: case["metrics"][score]["AP"] for case in cases}


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
    names = ("NAME", "SUMMARY", "SCORE")
    parser.add_argument("--floor", nargs=3, required=True, metavar=names, help="what the others are compared with")
    parser.add_argument("--score", nargs=3, action="append", required=True, metavar=names, help="another row")
    parser.add_argument("-o", type=Path, required=True, help="CSV to write")
    a = parser.parse_args()
    floor = case_precisions(Path(a.floor[1]), a.floor[2])
    rows = [row(name, Path(summary), score, floor) for name, summary, score in a.score]
    rows.append(row(a.floor[0], Path(a.floor[1]), a.floor[2], None))
    with a.o.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(rows[0]), lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
