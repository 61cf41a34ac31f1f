"""Does the forecast fall where the largest budget of real studies was measured? It is made from the smaller ones.

    python benchmarks/forecast_real.py

Of studies whose rows per case were kept (benchmarks/studies/) these are used; of two earlier ones their tables
(docs/results/archive/index.md), through scores that have the means and intervals of the table.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from statistics_truth import matrix

from nnunet_uad.statistics.forecast import LEAST_BUDGETS, forecast
from nnunet_uad.statistics.matrix import ScoreMatrix

ROOT = Path(__file__).resolve().parent.parent
#: Study and arm, then budgets with their scores.
Curve = tuple[str, str, dict[int, ScoreMatrix]]
#: Studies one of whose budgets was measured apart from the others: the arms and trainings that both have are joined.
GROWN = {"hippocampus": "hippocampus_more"}


def read(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV."""
    with path.open(encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def from_rows() -> Iterator[Curve]:
    """The arms of every study whose rows were kept."""
    paths = {path.stem: path for path in sorted((ROOT / "benchmarks" / "studies").glob("*.csv"))}
    for name, path in paths.items():
        if name in GROWN.values():
            continue
        rows = read(path) + (read(paths[GROWN[name]]) if GROWN.get(name) in paths else [])
        # Other benchmarks keep rows of another form here.
        if not rows or not {"trainer", "budget", "fold", "draw", "case", "dice"} <= set(rows[0]):
            continue
        entries: dict[str, dict[int, list]] = defaultdict(lambda: defaultdict(list))
        for row in rows:
            score = float(row["dice"]) if row["dice"] else None
            entries[row["trainer"]][int(row["budget"])].append(((row["fold"], row["draw"]), row["case"], score))
        for arm, budgets in entries.items():
            yield name, arm, {budget: ScoreMatrix.of(values) for budget, values in sorted(budgets.items())}


def from_tables() -> Iterator[Curve]:
    """The arms of two earlier studies: four trainings on two cases alike, with the mean and interval of the table."""
    # Trainings of different budgets have nothing in common.
    patterns = np.array([[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1], [1, 1, -1, -1]])
    for name, arm in (("hippocampus_long_pretraining", "arm"), ("hippocampus_three_draws", "trainer")):
        rows = read(ROOT / "docs" / "results" / "rows" / f"{name}.csv")
        for trainer in dict.fromkeys(row[arm] for row in rows):
            scores = {}
            for k, row in enumerate(r for r in rows if r[arm] == trainer):
                error = (float(row["Dice high"]) - float(row["Dice low"])) / (2 * 1.96)
                values = float(row["Dice"]) + np.sqrt(3) * error * np.repeat(patterns[k][:, None], 2, axis=1)
                scores[(1, 3, 10, 30)[k]] = matrix(values)
            yield name, trainer, scores


def line(curve: Curve) -> Sequence[str]:
    """What was forecast of the largest budget, and what was measured."""
    name, arm, scores = curve
    *fitted, largest = scores
    made = forecast(fitted, [scores[budget] for budget in fitted])
    start = (name, arm, ", ".join(map(str, fitted)), str(largest))
    measured = scores[largest].mean
    if made.band is None:
        return (*start, f"withheld: {made.withheld.value if made.withheld else ''}", f"{measured:.3f}", "–")
    mean, low, high = (
        np.interp(largest, made.band.amounts, y) for y in (made.band.scores, made.band.low, made.band.high)
    )
    within = "yes" if low <= measured <= high else "no"
    return (*start, f"{mean:.3f} [{low:.3f}, {high:.3f}]", f"{measured:.3f}", within)


def main() -> None:
    """Print a line per study and arm, those with too few budgets as a number."""
    columns = ("study", "arm", "fitted, cases", "predicted, cases", "predicted Dice", "measured", "within")
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    curves = [*from_rows(), *from_tables()]
    enough = [curve for curve in curves if len(curve[2]) > LEAST_BUDGETS]
    for curve in enough:
        print(f"| {' | '.join(line(curve))} |")
    print(f"{len(curves) - len(enough)} further arms were measured at fewer than {LEAST_BUDGETS + 1} budgets.")


if __name__ == "__main__":
    main()
