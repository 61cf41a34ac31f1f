"""What to label next, simulated on datasets that are labelled: ``nnunet_uad next`` against random choices.

    python benchmarks/selection.py look  -d 905 -c 2d_small -f 5 -tr nnUNetPretrainerDAE_10epochs_100iters -ft 5 -o OUT
    python benchmarks/selection.py train -d 905 -c 2d_small -f 5 -o OUT --budgets 2 5 [--until 21:00]
    python benchmarks/selection.py probe -d 905 -c 2d_small -f 5 -tr nnUNetPretrainerDAE_10epochs_100iters -ft 5 -o OUT
    python benchmarks/selection.py rows OUT ... -o docs/results/rows/selection.csv

The training cases of the fold are the pool, as if nobody had labelled them; its validation cases are the test. ``look``
describes the pool by a pretrainer that was trained without labels. ``train``, per draw: a random part of the
pool may be chosen from, the same for all arms; each arm buys the labels of N cases; a network is trained on them from
scratch, with the same seed for all arms, and tested. Arms: ``next``, without a supervised model, as at a cold start;
``random``; ``foreground``, random in proportion to the volume of the foreground, for which the labels must be known (as
the foreground-aware random of nnActive, https://arxiv.org/abs/2511.19183, which draws patches). Each arm's first cases
of N are its cases of fewer. ``probe`` does the same in seconds where a training takes minutes: of a 2D plan's frozen
pretrainer it takes the last features of the decoder, beside them the image and the image smoothed over 1 and 2 voxels,
and only a logistic regression of every voxel is learnt, its threshold the best Dice on the voxels it learnt from. It
also tries the parts of ``next``: ``diverse``, its features alone, and ``unusual``, the highest anomaly maps first.
``rows``: means and paired differences, with intervals over test cases and draws. Needs the dataset preprocessed and
writable splits: folds are appended, once. Dice is taken on the preprocessed grid, of 2D plans on every third slice. One
row per cell in OUT/cells.csv; finished cells are kept, so it may be killed at any time.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from datetime import datetime
from pathlib import Path
from typing import Any

import blosc2
import numpy as np
import torch
from batchgenerators.utilities.file_and_folder_operations import load_pickle
from scipy.ndimage import gaussian_filter
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from nnunet_uad.common.csv_files import write_csv_file
from nnunet_uad.common.files import write_json
from nnunet_uad.common.nnunet import CHECKPOINT, ModelFolder, dataset_folder, required_folder, resolved_configuration
from nnunet_uad.common.nnunet_files import load_plans
from nnunet_uad.common.settings import SETTINGS_VARIABLE
from nnunet_uad.common.trainer_names import NO_VALIDATION, VALIDATION_VARIABLE
from nnunet_uad.data.splits import SPLITS_FILE, splits_of
from nnunet_uad.inference.model import load_restorer
from nnunet_uad.inference.pipeline import IMAGES_HASH, Prepared
from nnunet_uad.selection.describe import DescriptionFiles
from nnunet_uad.selection.description import Description
from nnunet_uad.selection.models import NextModels
from nnunet_uad.selection.request import NextRequest
from nnunet_uad.selection.units import Weights, case_units, choose_units
from nnunet_uad.statistics.comparison import compare
from nnunet_uad.statistics.intervals import interval
from nnunet_uad.statistics.matrix import ScoreMatrix

ARMS, PARTS = ("next", "random", "foreground"), ("diverse", "unusual")
CELLS = "cells.csv"
COLUMNS = ("dataset", "trainer", "budget", "draw", "arm", "seconds", "dice", "labelled", "cases", "dices")
PLANS, TRAINER = "nnUNetPlans", "nnUNetTrainerFromScratch_10epochs_30iters"
#: Share of the pool that a draw may choose from; of volumes that are segmented slice by slice, which slices are tested.
SHARE, EVERY = 0.75, 3
#: Of the probe: which slices it sees, voxels it learns from per case, and what the sizes of its images are made
#: multiples of.
PROBED, LEARNT, TOTAL_STRIDE = 4, 20_000, 32


class Data:
    """Preprocessed cases of a fold.

    Args:
        dataset: Number of the dataset.
        configuration: Name of the configuration.
        fold: Index of the fold whose training cases are the pool.
    """

    def __init__(self, dataset: str, configuration: str, fold: int) -> None:
        self.folder = dataset_folder("nnUNet_preprocessed", dataset)
        plans = resolved_configuration(load_plans(self.folder / f"{PLANS}.json"), configuration)
        self.flat = len(plans["patch_size"]) == 2
        self.arrays = self.folder / plans["data_identifier"]
        split = splits_of(self.folder)[fold]
        self.pool, self.test = sorted(split["train"]), sorted(split["val"])

    def image(self, case: str) -> np.ndarray:
        """Preprocessed image (C, z, y, x)."""
        return np.asarray(blosc2.open(urlpath=str(self.arrays / f"{case}.b2nd"), mode="r")[:], dtype=np.float32)

    def labels(self, case: str) -> np.ndarray:
        """Preprocessed labels (z, y, x)."""
        return np.asarray(blosc2.open(urlpath=str(self.arrays / f"{case}_seg.b2nd"), mode="r")[:])[0]

    def prepared(self, case: str) -> Prepared:
        """The case as the command prepares it."""
        properties = {**load_pickle(str(self.arrays / f"{case}.pkl")), IMAGES_HASH: ""}
        return self.image(case), self.labels(case) >= 0, properties

    def fold_of(self, cases: Sequence[str]) -> int:
        """Index of the fold that trains on these cases, appended if there is none."""
        wanted = {"train": sorted(cases), "val": self.test}
        splits = splits_of(self.folder)
        if wanted not in splits:
            splits.append(wanted)
            write_json(self.folder / SPLITS_FILE, splits)
        return splits.index(wanted)


def look(arguments: argparse.Namespace) -> None:
    """Describe the pool; the foreground of its labels is noted beside, for the peer alone."""
    data = Data(arguments.d, arguments.c, arguments.f)
    results = required_folder("nnUNet_results")
    model = ModelFolder(results, data.folder.name, arguments.tr, PLANS, arguments.c)
    options: dict[str, Any] = {"model": model.path, "folds": [arguments.ft], "checkpoint": arguments.chk}
    request = NextRequest(**options, dataset="", output=arguments.o, device="cpu", mirroring=False)
    models = NextModels.load(request)
    files = DescriptionFiles(arguments.o / "descriptions", models.restorer.scorer, models.settings)
    files.folder.mkdir(parents=True, exist_ok=True)
    volumes = {}
    for case in tqdm(data.pool):
        volumes[case] = int((data.labels(case) > 0).sum())
        if not files.is_done(case):
            prepared = data.prepared(case)
            files.write(models.look(case, (prepared, prepared))[1])
    write_json(arguments.o / "foreground.json", volumes)


class Probe:
    """Features of the foreground of every fourth slice, and a logistic regression on them.

    Args:
        data: Cases of a 2D plan.
        network: Pretrained U-Net.
    """

    def __init__(self, data: Data, network: torch.nn.Module) -> None:
        self.seen: list[torch.Tensor] = []
        network.decoder.stages[-1].register_forward_hook(lambda module, given, found: self.seen.append(found))
        self.cases = {case: self._case(data, network, case) for case in tqdm([*data.pool, *data.test])}

    @torch.inference_mode()
    def _case(self, data: Data, network: torch.nn.Module, case: str) -> tuple[np.ndarray, np.ndarray]:
        """Features (voxels, entries), and whether each voxel is foreground of the labels."""
        image, labels = data.image(case)[:, ::PROBED], data.labels(case)[::PROBED]
        smooth = [gaussian_filter(image, (0, 0, sigma, sigma)) for sigma in (1, 2)]
        behind = [(0, 0), (0, 0), *((0, -n % TOTAL_STRIDE) for n in image.shape[2:])]
        slices = torch.from_numpy(np.pad(image, behind).swapaxes(0, 1).copy())
        self.seen.clear()
        for start in range(0, len(slices), 12):
            network(slices[start : start + 12])
        deep = torch.cat(self.seen)[..., : image.shape[2], : image.shape[3]].float().numpy().swapaxes(0, 1)
        inside = labels >= 0
        return np.concatenate([image, *smooth, deep])[:, inside].T.astype(np.float32), labels[inside] > 0

    def dices(self, labelled: Sequence[str], tested: Sequence[str]) -> str:
        """Dice of the test cases, in their order, of a regression that is learnt on these cases."""
        chosen = [self._some(case) for case in labelled]
        features, labels = np.concatenate([f for f, _ in chosen]), np.concatenate([y for _, y in chosen])
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)).fit(features, labels)
        scores = model.decision_function(features)
        steps = np.quantile(scores, np.linspace(0.7, 0.999, 60))
        threshold = steps[int(np.argmax([_dice(scores > t, labels) for t in steps]))]
        found = [_dice(model.decision_function(self.cases[c][0]) > threshold, self.cases[c][1]) for c in tested]
        return " ".join(f"{dice:.4f}" for dice in found)

    def _some(self, case: str) -> tuple[np.ndarray, np.ndarray]:
        """Voxels of a case to learn from, the same for every arm."""
        features, labels = self.cases[case]
        some = np.random.default_rng(0).choice(len(labels), min(LEARNT, len(labels)), replace=False)
        return features[some], labels[some]


def _dice(found: np.ndarray, labels: np.ndarray) -> float:
    both = int(found.sum()) + int(labels.sum())
    return 2 * int((found & labels).sum()) / both if both else 1.0


def probe(arguments: argparse.Namespace) -> None:
    """Learn and test every cell of the probe that is not done."""
    data = Data(arguments.d, arguments.c, arguments.f)
    model = ModelFolder(required_folder("nnUNet_results"), data.folder.name, arguments.tr, PLANS, arguments.c)
    restorer = load_restorer(model.path, [arguments.ft], arguments.chk, "cpu")
    found = Probe(data, restorer.networks[0])
    arguments.trainer = "probe"
    run_cells(arguments, data, lambda labelled, draw: found.dices(labelled, data.test), (*ARMS, *PARTS))


def orders(folder: Path, pool: Sequence[str], draw: int, count: int) -> dict[str, list[str]]:
    """What each arm labels, in its order, of the part of the pool that a draw may choose from."""
    rng = random.Random(f"{folder.name} {draw}")
    part = sorted(rng.sample(list(pool), round(SHARE * len(pool))))
    found = {case: Description.read(folder / "descriptions" / f"{case}.npz") for case in part}
    volumes = json.loads((folder / "foreground.json").read_text())
    chosen = choose_units(case_units(found, ()), count, Weights())
    weights = {case: volumes[case] for case in part}
    aware: list[str] = []
    while len(aware) < count:
        left = [case for case in part if case not in aware]
        aware += rng.choices(left, [weights[case] for case in left])
    diverse = choose_units(case_units(found, ()), count, Weights(0, 0))
    return {
        "next": [c.unit.case for c in chosen],
        "random": rng.sample(part, count),
        "foreground": aware,
        "diverse": [c.unit.case for c in diverse],
        "unusual": sorted(part, key=lambda case: -float(found[case].anomaly))[:count],
    }


def train(arguments: argparse.Namespace) -> None:
    """Train and test every cell that is not done."""
    data = Data(arguments.d, arguments.c, arguments.f)
    run_cells(arguments, data, lambda labelled, draw: trained(data, arguments, labelled, draw))


def run_cells(
    arguments: argparse.Namespace,
    data: Data,
    cell: Callable[[Sequence[str], int], str],
    arms: Sequence[str] = ARMS,
) -> None:
    """Every cell that is not done, draw by draw, until the time is up.

    Args:
        arguments: Dataset, trainer, budgets, draws, folder and time.
        data: Cases.
        cell: Function of the labelled cases and the draw that gives the Dice of the test cases.
        arms: Names of the ways of choosing.
    """
    path, longest = arguments.o / CELLS, 0.0
    for draw in range(arguments.draws):
        wanted = orders(arguments.o, data.pool, draw, max(arguments.budgets))
        for budget in arguments.budgets:
            for arm in arms:
                rows = read(path)
                key = [data.folder.name, arguments.trainer, str(budget), str(draw), arm]
                if any([row[c] for c in COLUMNS[:5]] == key for row in rows):
                    continue
                if arguments.until and time.time() + longest > _today(arguments.until):
                    print(f"The time is up before {' '.join(key)}.")
                    return
                start, labelled = time.time(), sorted(wanted[arm][:budget])
                same = [
                    r for r in rows if [r[c] for c in COLUMNS[:4]] == key[:4] and r["labelled"] == " ".join(labelled)
                ]
                dices = same[0]["dices"] if same else cell(labelled, draw)
                seconds = time.time() - start
                longest = max(longest, seconds)
                mean = float(np.mean([float(d) for d in dices.split()]))
                new = [*key, round(seconds, 1), round(mean, 4), " ".join(labelled), " ".join(data.test), dices]
                write_csv_file(path, COLUMNS, [*([row[c] for c in COLUMNS] for row in rows), new])
                print(f"{' '.join(key)}: Dice {mean:.3f}, {seconds:.0f} s", flush=True)


def _today(clock: str) -> float:
    hour, minute = map(int, clock.split(":"))
    return datetime.now().replace(hour=hour, minute=minute, second=0).timestamp()


def trained(data: Data, arguments: argparse.Namespace, labelled: Sequence[str], draw: int) -> str:
    """Dice of the test cases, in their order, of a network that is trained on these cases."""
    with fitted(data, arguments, labelled, draw) as predictor:
        return " ".join(f"{class_dice(*segmented(data, predictor, case)):.4f}" for case in data.test)


@contextmanager
def fitted(data: Data, arguments: argparse.Namespace, labelled: Sequence[str], draw: int) -> Iterator[Any]:
    """A network that is trained on these cases, ready to segment; its files are removed behind it."""
    from nnunetv2.run.run_training import run_training

    from nnunet_uad.inference.segmenter import load_segmenter

    fold = data.fold_of(labelled)
    os.environ[SETTINGS_VARIABLE] = f"seed={draw} mirroring=false"
    os.environ[VALIDATION_VARIABLE] = NO_VALIDATION
    folder = ModelFolder(required_folder("nnUNet_results"), data.folder.name, arguments.trainer, PLANS, arguments.c)
    with redirect_stdout(io.StringIO()):
        shutil.rmtree(folder.fold(fold), ignore_errors=True)
        run_training(arguments.d, arguments.c, fold, arguments.trainer, PLANS, device=torch.device("cpu"))
        yield load_segmenter(folder.path, str(fold), CHECKPOINT, False, "cpu")
    shutil.rmtree(folder.fold(fold))


def segmented(data: Data, predictor: Any, case: str) -> tuple[np.ndarray, np.ndarray]:
    """Segmentation of a case and its labels, on the preprocessed grid, of 2D plans on every third slice."""
    every = slice(None, None, EVERY if data.flat else 1)
    image = np.ascontiguousarray(data.image(case)[:, every])
    logits = predictor.predict_logits_from_preprocessed_data(torch.from_numpy(image))
    return logits.argmax(0).numpy(), data.labels(case)[every]


def class_dice(found: np.ndarray, labels: np.ndarray) -> float:
    """Mean Dice over the classes that the labels show."""
    classes = [c for c in np.unique(labels).tolist() if c > 0]
    scores = [2 * ((found == c) & (labels == c)).sum() / ((found == c).sum() + (labels == c).sum()) for c in classes]
    return float(np.mean(scores)) if scores else float("nan")


def read(path: Path) -> list[dict[str, str]]:
    """Rows of the cells that are done."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def matrix(rows: Sequence[Mapping[str, str]]) -> ScoreMatrix:
    """Scores of the draws and test cases of an arm."""
    return ScoreMatrix.of(
        (row["draw"], case, float(dice))
        for row in rows
        for case, dice in zip(row["cases"].split(), row["dices"].split(), strict=True)
    )


def summarise(arguments: argparse.Namespace) -> None:
    """Write a row per dataset, budget and arm: its mean, and what ``next`` is above it."""
    cells = [{**row, "pool": folder.name} for folder in arguments.folders for row in read(folder / CELLS)]
    columns = ["pool", "dataset", "trainer", "budget", "arm", "draws", "test_cases", "dice", "dice_low", "dice_high"]
    columns += ["next_above", "above_low", "above_high", "p_wilcoxon"]
    lines = []
    keys = ("pool", *COLUMNS[:3])
    for pool, dataset, trainer, budget in sorted({tuple(r[k] for k in keys) for r in cells}):
        own = [r for r in cells if tuple(r[k] for k in keys) == (pool, dataset, trainer, budget)]
        arms = [arm for arm in (*ARMS, *PARTS) if any(r["arm"] == arm for r in own)]
        scores = {arm: matrix([r for r in own if r["arm"] == arm]) for arm in arms}
        for arm, found in scores.items():
            ends = interval(found)
            versus = compare(scores["next"], found) if arm != "next" else None
            difference = versus.interval if versus is not None else None
            lines.append(
                [
                    pool,
                    dataset,
                    trainer,
                    budget,
                    arm,
                    len(found.trainings),
                    len(found.cases),
                    _cell(found.mean),
                    *(_cell(None if ends is None else v(ends)) for v in _ENDS),
                    _cell(None if versus is None else versus.difference),
                    *(_cell(None if difference is None else v(difference)) for v in _ENDS),
                    None if versus is None else float(f"{versus.p:.3g}"),
                ]
            )
    write_csv_file(arguments.o, columns, lines)


_ENDS: tuple[Callable[[Any], float], ...] = (lambda ends: ends.low, lambda ends: ends.high)


def _cell(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def main() -> None:
    """Run one of the steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    steps = parser.add_subparsers(required=True)
    for name, function in (("look", look), ("train", train), ("probe", probe)):
        step = steps.add_parser(name)
        step.set_defaults(run=function)
        step.add_argument("-d", required=True, help="number of the dataset")
        step.add_argument("-c", required=True, help="configuration")
        step.add_argument("-f", type=int, required=True, help="fold: training cases are the pool, the others the test")
        step.add_argument("-o", type=Path, required=True, help="folder of the simulation")
        if name != "train":
            step.add_argument("-tr", required=True, help="pretrainer")
            step.add_argument("-ft", default="0", help="fold of the pretrainer (default: 0)")
            step.add_argument("-chk", default=CHECKPOINT, help=f"its checkpoint (default: {CHECKPOINT})")
        else:
            step.add_argument("--trainer", default=TRAINER, help=f"of the labelled cases (default: {TRAINER})")
        if name != "look":
            step.add_argument("--budgets", type=int, nargs="+", default=[2, 5], help="cases that are labelled")
            step.add_argument("--draws", type=int, default=5, help="parts of the pool (default: 5)")
            step.add_argument("--until", default="", metavar="HH:MM", help="begin no cell that would not end by then")
    step = steps.add_parser("rows")
    step.set_defaults(run=summarise)
    step.add_argument("folders", type=Path, nargs="+", help="folders of simulations, named after their pools")
    step.add_argument("-o", type=Path, required=True, help="CSV to write")
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
