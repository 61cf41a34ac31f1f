"""Does the disagreement of a model's folds find the unlabelled cases that the model gets wrong?

    python benchmarks/selection.py look -d 904 -c 3d_small -f 0 -tr nnUNetPretrainerDAE_4epochs_50iters -o OUT
    python benchmarks/fold_doubt.py run -d 904 -c 3d_small -f 0 -o OUT --labelled 6 --draws 3
    python benchmarks/fold_doubt.py rows OUT ... -o docs/results/rows/selection_doubt.csv

On the pool of ``selection.py``. Per draw some random cases are labelled; they are cut into parts, and a network is
trained on each part alone, as the folds of leave-half-out would be. All networks segment every other case of the pool.
Noted per case: their mean pairwise Dice (``agreement``, what ``nnunet_uad next -tr-seg`` uses), the mean score of the
most anomalous 1 % by the pretrainer (``anomaly``, which needs no label), and the networks' mean Dice with the labels.
``rows``: per draw, how far each orders the cases by that Dice (Spearman), and the mean Dice of the fifth that it calls
the most doubtful. Finished draws are kept in OUT/doubt.csv.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr
from selection import TRAINER, Data, class_dice, fitted, read, segmented
from tqdm import tqdm

from nnunet_uad.common.csv_files import write_csv_file
from nnunet_uad.metrics.agreement import pairwise_dice
from nnunet_uad.selection.description import Description

CASES = "doubt.csv"
KEYS = ("dataset", "trainer", "labelled", "folds", "draw")
COLUMNS = (*KEYS, "case", "agreement", "anomaly", "dice")
#: Share of the cases that are called doubtful.
WORST = 0.2


def run(arguments: argparse.Namespace) -> None:
    """Train and look, draw by draw."""
    data, path = Data(arguments.d, arguments.c, arguments.f), arguments.o / CASES
    for draw in range(arguments.draws):
        rows = read(path)
        key = [data.folder.name, arguments.trainer, str(arguments.labelled), str(arguments.folds), str(draw)]
        if any([row[c] for c in KEYS] == key for row in rows):
            continue
        found = [[*key, *row] for row in one_draw(data, arguments, draw)]
        write_csv_file(path, COLUMNS, [*([row[c] for c in COLUMNS] for row in rows), *found])


def one_draw(data: Data, arguments: argparse.Namespace, draw: int) -> list[list[str | float]]:
    """Case, agreement, anomaly and Dice of every case that a draw leaves unlabelled."""
    rng = random.Random(f"{data.folder.name} doubt {draw}")
    labelled = rng.sample(data.pool, arguments.labelled)
    left = [case for case in data.pool if case not in labelled]
    with ExitStack() as stack:
        parts = [labelled[k :: arguments.folds] for k in range(arguments.folds)]
        models = [stack.enter_context(fitted(data, arguments, part, draw)) for part in parts]
        return [_case(data, models, case, arguments.o) for case in tqdm(left)]


def _case(data: Data, models: Sequence[object], case: str, folder: Path) -> list[str | float]:
    seen = [segmented(data, model, case) for model in models]
    anomaly = Description.read(folder / "descriptions" / f"{case}.npz").anomaly
    dice = np.mean([class_dice(*one) for one in seen])
    numbers = (pairwise_dice([found for found, _ in seen]), anomaly, dice)
    return [case, *(round(float(number), 4) for number in numbers)]


def summarise(arguments: argparse.Namespace) -> None:
    """Write a row per draw and way of doubting."""
    columns = ("pool", *KEYS, "cases", "doubt", "spearman", "dice", "dice_doubtful", "dice_worst")
    cells = [{**row, "pool": folder.name} for folder in arguments.folders for row in read(folder / CASES)]
    lines = []
    for key in sorted({tuple(row[c] for c in ("pool", *KEYS)) for row in cells}):
        own = [row for row in cells if tuple(row[c] for c in ("pool", *KEYS)) == key]
        lines += [[*key, len(own), *numbers] for numbers in _orders(own)]
    write_csv_file(arguments.o, columns, lines)


def _orders(rows: Sequence[Mapping[str, str]]) -> list[list[str | float]]:
    """How far disagreement and anomaly order the cases by how wrong they are."""
    dice = np.array([float(row["dice"]) for row in rows])
    count = round(WORST * len(dice))
    doubts = {"disagreement": -1.0, "anomaly": 1.0}
    lines: list[list[str | float]] = []
    for (name, sign), column in zip(doubts.items(), ("agreement", "anomaly"), strict=True):
        doubt = sign * np.array([float(row[column]) for row in rows])
        numbers = (
            spearmanr(doubt, 1 - dice).statistic,
            dice.mean(),
            dice[np.argsort(-doubt)[:count]].mean(),
            np.sort(dice)[:count].mean(),
        )
        lines.append([name, *(round(float(number), 4) for number in numbers)])
    return lines


def main() -> None:
    """Run one of the steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    steps = parser.add_subparsers(required=True)
    step = steps.add_parser("run")
    step.set_defaults(run=run)
    step.add_argument("-d", required=True, help="number of the dataset")
    step.add_argument("-c", required=True, help="configuration")
    step.add_argument("-f", type=int, required=True, help="fold whose training cases are the pool")
    step.add_argument("-o", type=Path, required=True, help="folder of the simulation, after selection.py look")
    step.add_argument("--trainer", default=TRAINER, help=f"of the labelled cases (default: {TRAINER})")
    step.add_argument("--labelled", type=int, default=6, help="cases that are labelled (default: 6)")
    step.add_argument("--folds", type=int, default=2, help="parts of them, a network each (default: 2)")
    step.add_argument("--draws", type=int, default=3, help="draws of labelled cases (default: 3)")
    step = steps.add_parser("rows")
    step.set_defaults(run=summarise)
    step.add_argument("folders", type=Path, nargs="+", help="folders of simulations, named after their pools")
    step.add_argument("-o", type=Path, required=True, help="CSV to write")
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
