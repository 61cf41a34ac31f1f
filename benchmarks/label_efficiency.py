"""How many labels does pretraining save? Scratch against pretrained, equal steps, same schedule.

    python benchmarks/label_efficiency.py hippocampus -o results/hippocampus --workers 2
    python benchmarks/label_efficiency.py tumour -o results/tumour --workers 2

Each training is a row on disk; run the command again to continue an interrupted study. At the end a table: mean
Dice with a bootstrap interval over draws and cases, and the paired difference to scratch.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import hippocampus
import numpy as np
import tumour
from cells import Cell, run_cells

ARMS, METHODS = hippocampus.ARMS, hippocampus.METHODS
BOOTSTRAPS = 5000


def run_hippocampus(folder: Path, workers: int, arms: Sequence[str], steps: int) -> list[dict]:
    """150 cases without labels, then 1, 3, 10, 30 with; 50 test cases."""
    root, folds = hippocampus.prepare(folder)
    methods = sorted({METHODS.get(a, a) for a in arms} - {""})
    run_cells([hippocampus.pretraining(root, m, steps) for m in methods], folder, workers, keep_weights=True)
    cells = [
        hippocampus.fine_tuning(
            root,
            folds,
            arm,
            budget,
            draw,
            hippocampus.FINE_TUNING_STEPS,
            _weights(folder / "hippocampus_pretrain_{}.safetensors", arm),
            hippocampus.ARM_SETTINGS.get(arm, ""),
        )
        for draw in hippocampus.DRAWS
        for budget in hippocampus.BUDGETS
        for arm in arms
    ]
    return run_cells(cells, folder, workers)


def run_tumour(folder: Path, workers: int, arms: Sequence[str]) -> list[dict]:
    """Slices and cases of 901, whole lesion and four classes; one case left out per draw."""
    root = tumour.prepare(folder)
    methods = sorted({METHODS.get(a, a) for a in arms} - {""})
    pretrainings = [tumour.pretraining(root, m, d) for m in methods for d in tumour.DRAWS]
    run_cells(pretrainings, folder, workers, keep_weights=True)
    cells: list[Cell] = [
        tumour.fine_tuning(
            root,
            arm,
            ARMS[arm],
            labels,
            budget,
            draw,
            _weights(folder / f"tumour_pretrain_{{}}_{draw}.safetensors", arm),
        )
        for draw in tumour.DRAWS
        for budget in tumour.BUDGETS
        for labels in tumour.LABELS
        for arm in arms
    ]
    return run_cells(cells, folder, workers)


def _weights(pattern: Path, arm: str) -> str:
    """The pretrained file that an arm starts from; empty for none."""
    method = METHODS.get(arm, arm)
    return str(pattern).format(method) if method else ""


def scores(rows: Sequence[dict], arm: str, budget: object, study: str | None) -> dict[int, list]:
    """Mean foreground Dice by draw, a value per case; a class that is nowhere counts neither way."""
    matching = [r for r in rows if r["tags"]["arm"] == arm and r["tags"]["budget"] == budget]
    matching = sorted((r for r in matching if r["tags"].get("study") == study), key=lambda r: r["tags"]["draw"])
    return {r["tags"]["draw"]: [np.nanmean(_dice(case)) for _, case in sorted(r["summary"].items())] for r in matching}


def _dice(case: dict) -> list[float]:
    # The ignore label is reported by nnU-Net as a class of its own only where it is one; it never is here.
    return [float(v) for v in case.values()]


def interval(values: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """95 % bootstrap interval of the mean of scores (draws, cases): draws are resampled, then cases within each."""
    rng = np.random.default_rng(seed)
    draws, cases = values.shape
    picked = rng.integers(draws, size=(BOOTSTRAPS, draws))
    inner = rng.integers(cases, size=(BOOTSTRAPS, draws, cases))
    means = values[picked[:, :, None], inner].mean((1, 2))
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def table(rows: Sequence[dict], budgets: Sequence, arms: Sequence[str], study: str | None) -> list[str]:
    """Markdown: a line per budget and arm; differences are taken on the draws that both arms have."""
    lines = [
        "| labelled | arm | draws | Dice | 95 % interval | difference to scratch | 95 % interval |",
        "|---|---|---|---|---|---|---|",
    ]
    for budget in budgets:
        base = scores(rows, "scratch", budget, study)
        for arm in arms:
            own = scores(rows, arm, budget, study)
            if not own:
                lines.append(f"| {budget} | {arm} | 0 | not run | | | |")
                continue
            values, both = np.array(list(own.values())), [d for d in own if d in base]
            low, high = interval(values)
            cells = f"| {budget} | {arm} | {len(own)} | {values.mean():.3f} | {low:.3f} to {high:.3f} |"
            if arm != "scratch" and both:
                difference = np.array([own[d] for d in both]) - np.array([base[d] for d in both])
                low, high = interval(difference)
                cells += f" {difference.mean():+.3f} | {low:+.3f} to {high:+.3f} |"
            else:
                cells += " | |"
            lines.append(cells)
    return lines


def main() -> None:
    """Run what has no row yet of the chosen study, then write and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=("hippocampus", "tumour"))
    parser.add_argument("-o", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--pretraining-steps", type=int, default=hippocampus.PRETRAINING_STEPS, help="hippocampus")
    parser.add_argument("--arms", nargs="+", default=["scratch", "DAE", "MAE"], choices=list(ARMS))
    arguments = parser.parse_args()
    if arguments.study == "hippocampus":
        rows = run_hippocampus(arguments.o, arguments.workers, arguments.arms, arguments.pretraining_steps)
        tables: list[tuple[str | None, Sequence]] = [(None, hippocampus.BUDGETS)]
    else:
        rows = run_tumour(arguments.o, arguments.workers, arguments.arms)
        tables = [(labels, tumour.BUDGETS) for labels in tumour.LABELS]
    text = []
    for study, budgets in tables:
        text += [f"### {study or arguments.study}", "", *table(rows, budgets, arguments.arms, study), ""]
    (arguments.o / "table.md").write_text("\n".join(text))
    (arguments.o / "rows.json").write_text(json.dumps(rows))
    print("\n".join(text))


if __name__ == "__main__":
    main()
