"""bfloat16 against float32 on a CPU: the time of a step, and what becomes of Dice and anomaly maps.

    python benchmarks/precision.py steps                                  # needs no data
    python benchmarks/precision.py difference -d 901 -c 2d_small -o OUT   # nnU-Net's variables set, data preprocessed

``steps``: training steps of each trainer in both, taking turns; on processors without instructions for bfloat16 there
is nothing to measure. ``difference``: pretraining and training from scratch in float32, in bfloat16 and in float32 with
another seed, which says how much two trainings differ anyway; and the float32 models used in bfloat16. Where the
processor has no such instructions PyTorch computes bfloat16 slowly, with the same rounding. What is trained is kept in
OUT, so an interrupted run continues.
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
import SimpleITK
import torch
from speed import SMALL, make_step, median_times, write_plans

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
    """Train a fold with its final validation unless that is done; returns its folder."""
    amp, seed = ARMS[arm]
    results = arguments.o / arm.replace(", ", "_").replace(" ", "_")
    os.environ["nnUNet_results"] = str(results)
    os.environ[SETTINGS_VARIABLE] = f"seed={seed} amp={amp} mirroring=false"
    from nnunetv2.run import run_training
    from nnunetv2.utilities.dataset_name_id_conversion import maybe_convert_to_dataset_name

    name = f"{trainer}_{arguments.epochs}epochs_{arguments.iterations}iters"
    dataset = maybe_convert_to_dataset_name(int(arguments.d))
    folder = results / dataset / f"{name}__nnUNetPlans__{arguments.c}" / f"fold_{fold}"
    if not (folder / "validation" / "summary.json").exists():
        with bfloat16_everywhere():
            run_training.run_training(arguments.d, arguments.c, fold, name, device=torch.device("cpu"))
    return folder


def dice_of(folder: Path) -> dict[str, float]:
    """Mean Dice over the classes, by validation case."""
    cases = json.loads((folder / "validation" / "summary.json").read_text())["metric_per_case"]
    return {
        Path(case["prediction_file"]).name: float(np.nanmean([label["Dice"] for label in case["metrics"].values()]))
        for case in cases
    }


def map_of(path: Path) -> np.ndarray:
    """An anomaly map, (z, y, x)."""
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))


def compare_maps(one: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """Mean difference of maps (z, y, x) as a share of the first one's standard deviation, and their correlation."""
    inside = (one > 0) | (other > 0)
    a, b = one[inside].astype(np.float64), other[inside].astype(np.float64)
    return {"difference / std": float(np.abs(a - b).mean() / a.std()), "correlation": float(np.corrcoef(a, b)[0, 1])}


def average_precision(folder: Path) -> float:
    """Average precision of a fold's maps, mean over its cases."""
    scores = json.loads((folder / "validation" / "anomaly_metrics.json").read_text())["scores"]
    return float(scores["map"]["mean_over_cases"]["AP"]["value"])


def compare_trainings(folders: dict[str, dict[str, list[Path]]]) -> dict[str, Any]:
    """Every arm against the first: Dice with its interval over cases, average precision, maps."""
    result: dict[str, Any] = {}
    for arm in ARMS:
        dice = {case: value for folder in folders[arm][SEGMENTER] for case, value in dice_of(folder).items()}
        own = {"Dice by case": dice, "AP by fold": [average_precision(f) for f in folders[arm][PRETRAINER]]}
        result[arm] = own
        if arm == REFERENCE:
            continue
        theirs = result[REFERENCE]["Dice by case"]
        differences = [dice[case] - theirs[case] for case in dice]
        own["Dice difference"] = {"mean": float(np.mean(differences)), "interval_95": mean_interval(differences)}
        own["maps"] = {
            path.name: compare_maps(map_of(folder / "validation" / path.name), map_of(path))
            for folder, other in zip(folders[REFERENCE][PRETRAINER], folders[arm][PRETRAINER], strict=True)
            for path in sorted((other / "validation").glob("*_map.*"))
        }
    return result


def compare_use(folders: dict[str, list[Path]], raw: Path, output: Path) -> dict[str, Any]:
    """Models that were trained in float32, used in both: probabilities and Dice between the two; maps."""
    from nnunet_uad.data.image_files import channels_in
    from nnunet_uad.inference.model import load_restorer
    from nnunet_uad.inference.pipeline import score_files
    from nnunet_uad.inference.segmenter import load_segmenter, segment

    images = {case: [p for _, p in sorted(files.items())] for case, files in channels_in(raw / "imagesTr").items()}
    result: dict[str, Any] = {}
    for scratch, dae in zip(folders[SEGMENTER], folders[PRETRAINER], strict=True):
        fold = scratch.name.removeprefix("fold_")
        restorer = load_restorer(dae.parent, [fold], device="cpu", mirroring=False)
        predictor = load_segmenter(scratch.parent, fold, "checkpoint_final.pth", False, "cpu")
        cases = [name.split(".")[0] for name in dice_of(scratch)]
        maps = {case: [score_files(restorer, images[case]).score] for case in cases}
        probabilities = {case: [segment(predictor, images[case], output / f"{case}.nii.gz")] for case in cases}
        with bfloat16_everywhere():
            keep_precision(predictor.network, AUTO, predictor.device)
            rounded = replace(restorer, amp=AUTO)
            for case in cases:
                maps[case].append(score_files(rounded, images[case]).score)
                probabilities[case].append(segment(predictor, images[case], output / f"{case}.nii.gz"))
        for case in cases:
            one, other = probabilities[case]
            a, b = one.argmax(0) > 0, other.argmax(0) > 0
            result[case] = {
                "Dice between the two": float(2 * (a & b).sum() / max(1, a.sum() + b.sum())),
                "largest difference of probabilities": float(np.abs(one - other).max()),
                "map": compare_maps(*maps[case]),
            }
    return result


def measure_difference(arguments: argparse.Namespace) -> dict[str, Any]:
    """Trainings in both precisions, and models used in both."""
    folders = {
        arm: {name: [train(arguments, arm, name, fold) for fold in arguments.f] for name in (PRETRAINER, SEGMENTER)}
        for arm in ARMS
    }
    dataset = folders[REFERENCE][SEGMENTER][0].parents[1].name
    steps = arguments.epochs * arguments.iterations
    return {
        "bfloat16": bfloat16_instructions() or "computed without instructions for it",
        "steps": steps,
        "trained": compare_trainings(folders),
        "used": compare_use(folders[REFERENCE], Path(os.environ["nnUNet_raw"]) / dataset, arguments.o),
    }


def main() -> None:
    """Measure and print as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("steps", "difference"))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("-d", default="901", help="number of the dataset")
    parser.add_argument("-c", default="2d_small")
    parser.add_argument("-f", nargs="+", type=int, default=[0], help="folds")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--iterations", type=int, default=15)
    parser.add_argument("-o", type=Path, default=Path("precision"), help="where the models are kept")
    arguments = parser.parse_args()
    result = measure_steps(arguments.rounds) if arguments.what == "steps" else measure_difference(arguments)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
