"""bfloat16 against float32 on a CPU: the time of a step, and what becomes of Dice and anomaly maps.

    python benchmarks/precision.py steps                                  # needs no data
    python benchmarks/precision.py difference -d 901 -c 2d_small -o OUT   # nnU-Net's variables set, data preprocessed
    python benchmarks/precision.py use --models PRETRAINER/fold_0 TRAINER/fold_0 --slices 2

``steps``: training steps of each trainer in both, taking turns; on processors without instructions for bfloat16 there
is nothing to measure. ``difference``: pretraining and training from scratch in float32, in bfloat16 and in float32 with
another seed, which says how much two trainings differ anyway; and the float32 models used in bfloat16. ``use``:
finished models, trained in float32, used in bfloat16 on the validation cases of their fold. Where the processor has no
such instructions PyTorch computes bfloat16 slowly, with the same rounding. What is trained is kept in OUT, so an
interrupted run continues.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from speed import SMALL, make_step, median_times, write_plans
from tqdm import tqdm

from nnunet_uad.common.nnunet import CHECKPOINT
from nnunet_uad.common.precision import AUTO, bfloat16_instructions, keep_precision
from nnunet_uad.common.settings import SETTINGS_VARIABLE
from nnunet_uad.metrics.bootstrap import mean_interval

TRAINERS = (
    "nnUNetTrainerFromScratch",
    "nnUNetTrainerAuxReconstruction",
    "nnUNetPretrainerDAE",
    "nnUNetPretrainerMAE",
    "nnUNetPretrainerVAE",
    "nnUNetPretrainerPatchGAN",
    "nnUNetPretrainerDDPM",
)
PRETRAINER, SEGMENTER = "nnUNetPretrainerDAE", "nnUNetTrainerFromScratch"
#: Precision and seed of the trainings that are compared with the first.
ARMS = {"float32": ("off", 1), "bfloat16": (AUTO, 1), "float32, another seed": ("off", 2)}
REFERENCE = "float32"


@contextmanager
def bfloat16_everywhere() -> Iterator[None]:
    """Compute bfloat16 also where the processor has no instructions for it."""
    if bfloat16_instructions():
        yield
        return
    with mock.patch.object(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}):
        yield


def measure_steps(rounds: int) -> dict[str, Any]:
    """Time of a step in bfloat16 as a share of that in float32, by configuration and trainer."""
    found = bfloat16_instructions()
    if not found:
        return {"bfloat16": "this processor has no instructions for it: every step is computed in float32"}
    result: dict[str, Any] = {"bfloat16": found}
    cpu = torch.device("cpu")
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(nnUNet_preprocessed=folder, nnUNet_raw=folder, nnUNet_results=f"{folder}/results")
        plans, dataset_json = write_plans(Path(folder), SMALL)
        for configuration in SMALL:
            shares = {}
            for name in TRAINERS:
                functions = {}
                for amp in ("off", AUTO):
                    os.environ[SETTINGS_VARIABLE] = f"amp={amp}"
                    functions[amp] = make_step(name, plans, dataset_json, configuration, cpu)
                times = median_times(functions, rounds, cpu)
                shares[name] = times[AUTO] / times["off"]
            result[configuration] = shares
    return result


def train(arguments: argparse.Namespace, arm: str, trainer: str, fold: int) -> Path:
    """Train a fold unless that is done; returns its folder."""
    from nnunetv2.run.run_training import get_trainer_from_args

    amp, seed = ARMS[arm]
    os.environ["nnUNet_results"] = str(arguments.o / arm.replace(", ", "_").replace(" ", "_"))
    os.environ[SETTINGS_VARIABLE] = f"seed={seed} amp={amp} mirroring=false"
    name = f"{trainer}_{arguments.epochs}epochs_{arguments.iterations}iters"
    with bfloat16_everywhere():
        trained = get_trainer_from_args(arguments.d, arguments.c, fold, name, device=torch.device("cpu"))
        folder = Path(trained.output_folder)
        if not (folder / CHECKPOINT).exists():
            trained.run_training()
    return folder


def compare_maps(one: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """Mean difference of maps (z, y, x) as a share of the first one's standard deviation, and their correlation."""
    inside = (one > 0) | (other > 0)
    a, b = one[inside].astype(np.float64), other[inside].astype(np.float64)
    return {"difference / std": float(np.abs(a - b).mean() / a.std()), "correlation": float(np.corrcoef(a, b)[0, 1])}


def dice(one: np.ndarray, other: np.ndarray) -> float:
    """Dice of the foreground of two segmentations (z, y, x)."""
    a, b = one > 0, other > 0
    return float(2 * (a & b).sum() / max(1, a.sum() + b.sum()))


class Case:
    """A validation case on the preprocessed grid.

    Args:
        fold: Folder of a trained fold, whose validation case it is.
        identifier: Identifier of the case.
        slices: Number of slices to look at, evenly spaced among those with lesion; all slices of the image if 0.
    """

    def __init__(self, fold: Path, identifier: str, slices: int) -> None:
        from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2

        base = Path(os.environ["nnUNet_preprocessed"]) / fold.parents[1].name
        configuration = fold.parent.name.rpartition("__")[2]
        data = nnUNetDatasetBlosc2(str(base / f"nnUNetPlans_{configuration}"), [identifier])
        image, labels, _, self.properties = data.load_case(identifier)
        self.image, self.labels = np.asarray(image[:], np.float32), np.asarray(labels[:])[0]
        if slices:
            chosen = np.flatnonzero((self.labels > 0).any((1, 2)))
            chosen = chosen[np.linspace(0, len(chosen) - 1, min(slices, len(chosen))).astype(int)]
            self.image, self.labels = self.image[:, chosen], self.labels[chosen]

    def map(self, restorer: Any) -> np.ndarray:
        """Anomaly map (z, y, x)."""
        inside = self.labels >= 0
        restored = restorer.reconstruct(self.image, inside)
        return restorer.anomaly_score(self.image, restored, inside, self.properties, restorer.settings)

    def logits(self, predictor: Any) -> np.ndarray:
        """Logits (classes, z, y, x)."""
        predictor.network.eval()
        predicted = predictor.predict_sliding_window_return_logits(torch.from_numpy(self.image))
        return np.asarray(predicted.float())


def models_of(folder: dict[str, Path]) -> tuple[Any, Any]:
    """Restorer and nnU-Net's predictor of a fold, in the precision that they record where the processor has it."""
    from nnunet_uad.inference.model import load_restorer
    from nnunet_uad.inference.segmenter import load_segmenter

    folds = {name: path.name.removeprefix("fold_") for name, path in folder.items()}
    restorer = load_restorer(folder[PRETRAINER].parent, [folds[PRETRAINER]], device="cpu", mirroring=False)
    return restorer, load_segmenter(folder[SEGMENTER].parent, folds[SEGMENTER], CHECKPOINT, False, "cpu")


def compare_trainings(folders: dict[str, dict[str, Path]], cases: dict[str, Case]) -> dict[str, Any]:
    """Every arm against the first, by case: Dice and average precision with the labels; maps with the first's."""
    found: dict[str, Any] = {}
    maps: dict[str, dict[str, np.ndarray]] = {}
    for arm, folder in folders.items():
        restorer, predictor = models_of(folder)
        maps[arm] = {name: case.map(restorer) for name, case in cases.items()}
        found[arm] = {
            name: {
                "Dice": dice(case.logits(predictor).argmax(0), case.labels),
                "AP": average_precision(maps[arm][name], case.labels),
                **({} if arm == REFERENCE else {"map": compare_maps(maps[REFERENCE][name], maps[arm][name])}),
            }
            for name, case in cases.items()
        }
    return found


def average_precision(score: np.ndarray, labels: np.ndarray) -> float:
    """Average precision of a map (z, y, x) inside the foreground."""
    from sklearn.metrics import average_precision_score

    inside = labels >= 0
    return float(average_precision_score(labels[inside] > 0, score[inside]))


def compare_use(folder: dict[str, Path], cases: dict[str, Case]) -> dict[str, Any]:
    """Models that were trained in float32, used in bfloat16, too."""
    restorer, predictor = models_of(folder)
    exact = {name: (case.map(restorer), case.logits(predictor)) for name, case in cases.items()}
    result: dict[str, Any] = {}
    with bfloat16_everywhere():
        keep_precision(predictor.network, AUTO, predictor.device)
        for name, case in cases.items():
            score, logits = exact[name]
            rounded = case.logits(predictor)
            result[name] = {
                "Dice between the two": dice(logits.argmax(0), rounded.argmax(0)),
                "Dice, float32 and bfloat16": [dice(x.argmax(0), case.labels) for x in (logits, rounded)],
                "mean difference of logits / std": float(np.abs(logits - rounded).mean() / logits.std()),
                "map": compare_maps(score, case.map(replace(restorer, amp=AUTO))),
            }
    return result


def summary_of(trained: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean difference to the first arm over the cases of all folds, with its interval where there are several."""
    rows = {arm: [case for fold in trained for case in fold[arm].values()] for arm in ARMS}
    result = {}
    for arm in ARMS:
        if arm != REFERENCE:
            for key in ("Dice", "AP"):
                values = [own[key] - theirs[key] for own, theirs in zip(rows[arm], rows[REFERENCE], strict=True)]
                result[f"{key}, {arm}"] = {"mean": float(np.mean(values)), "interval_95": mean_interval(values)}
    return result


def validation_cases(fold: Path) -> list[str]:
    """Validation cases of a trained fold, by its folder."""
    splits = Path(os.environ["nnUNet_preprocessed"]) / fold.parents[1].name / "splits_final.json"
    return json.loads(splits.read_text())[int(fold.name.removeprefix("fold_"))]["val"]


def measure_difference(arguments: argparse.Namespace) -> dict[str, Any]:
    """Trainings in both precisions, and models used in both."""
    trained, used = [], []
    for fold in arguments.f:
        folders = {arm: {name: train(arguments, arm, name, fold) for name in (PRETRAINER, SEGMENTER)} for arm in ARMS}
        first = folders[REFERENCE][SEGMENTER]
        cases = validation_cases(first)
        trained.append(compare_trainings(folders, {case: Case(first, case, 0) for case in cases}))
        used.append(compare_use(folders[REFERENCE], {case: Case(first, case, arguments.slices) for case in cases}))
    return {
        "bfloat16": bfloat16_instructions() or "trained without instructions for it; these models are used in float32",
        "steps": arguments.epochs * arguments.iterations,
        "difference to float32": summary_of(trained),
        "trained, by fold": trained,
        "used, by fold": used,
    }


def measure_use(arguments: argparse.Namespace) -> dict[str, Any]:
    """Finished models used in both precisions, on the validation cases of the second one's fold."""
    pretrainer, segmenter = arguments.models
    cases = {name: Case(segmenter, name, arguments.slices) for name in tqdm(validation_cases(segmenter), "cases")}
    used = compare_use({PRETRAINER: pretrainer, SEGMENTER: segmenter}, cases).values()
    pairs = [case["Dice, float32 and bfloat16"] for case in used]
    columns = {
        "Dice in float32": [exact for exact, _ in pairs],
        "Dice in bfloat16 - in float32": [rounded - exact for exact, rounded in pairs],
        "Dice between the two": [case["Dice between the two"] for case in used],
        "map, difference / std": [case["map"]["difference / std"] for case in used],
        "map, correlation": [case["map"]["correlation"] for case in used],
    }
    rows = {name: {"mean": float(np.mean(v)), "interval_95": mean_interval(v)} for name, v in columns.items()}
    return {"bfloat16": bfloat16_instructions() or "computed without instructions", "cases": len(cases), **rows}


MEASURES = {"steps": lambda a: measure_steps(a.rounds), "difference": measure_difference, "use": measure_use}


def main() -> None:
    """Measure and print as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=list(MEASURES))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("-d", default="901", help="number of the dataset")
    parser.add_argument("-c", default="2d_small")
    parser.add_argument("-f", nargs="+", type=int, default=[0], help="folds")
    parser.add_argument("--slices", type=int, default=0, help="slices per case to use models in bfloat16 on; 0: all")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--iterations", type=int, default=15)
    parser.add_argument("-o", type=Path, default=Path("precision"), help="where the models are kept")
    parser.add_argument("--models", nargs=2, type=Path, metavar="FOLD", help="of use: a pretrainer's, a segmenter's")
    arguments = parser.parse_args()
    print(json.dumps(MEASURES[arguments.what](arguments), indent=2))


if __name__ == "__main__":
    main()
