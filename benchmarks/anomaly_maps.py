"""Which pretraining gives the better anomaly maps? Cross-validated on 901, shown on 902.

    python benchmarks/anomaly_maps.py train -o results/maps --workers 2
    python benchmarks/anomaly_maps.py score -o results/maps

Every training is an ordinary nnU-Net model below ``results/maps/<variant>``, every scored fold a row on disk; run a
command again to continue an interrupted study. Scores are measured on the preprocessed grid of the cases left out.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import multiprocessing
import os
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnunet_uad.common.files import write_json
from nnunet_uad.common.settings import joined
from nnunet_uad.metrics.baseline import equalised_intensity
from nnunet_uad.metrics.curves import Curve, average_precision
from nnunet_uad.metrics.histogram import ScoreHistogram
from nnunet_uad.scoring.ensemble import rank_ensemble
from nnunet_uad.scoring.filters import smoothed
from nnunet_uad.scoring.score_settings import ScoreSettings

if TYPE_CHECKING:
    from nnunet_uad.inference.restorer import Restorer

DATASET, PLANS = "Dataset901_Tumour", "nnUNetPlans"
EPOCHS = 10


@dataclass(frozen=True)
class Variant:
    """A way of pretraining: method, settings, steps; configuration and dataset where they differ."""

    method: str = "DAE"
    settings: str = ""
    steps: int = 600
    configuration: str = "2d_small"
    dataset: str = DATASET


#: One factor at a time around the first.
VARIANTS = {
    "base": Variant(),
    "std_0.5_1": Variant(settings="noise_std=[0.5,1.0]"),
    "mae": Variant("MAE"),
    "cell_16_40": Variant(settings="noise_cell_mm=[16,40]"),
    "no_intensity": Variant(settings="intensity_augmentation=false"),
    "std_0.2_0.5": Variant(settings="noise_std=[0.2,0.5]"),
    "std_2_4_cell_16_40": Variant(settings="noise_std=[2,4] noise_cell_mm=[16,40]"),
    "steps_200": Variant(steps=200),
    "steps_1800": Variant(steps=1800),
    "flair_only": Variant(dataset="Dataset906_TumourFLAIR"),
    "flair_and_unlabelled": Variant(dataset="Dataset907_TumourAndUnlabelled"),
    "3d": Variant(configuration="3d_small", steps=300),
    "synthetic": Variant("SyntheticAnomaly"),
    "ae": Variant("AE"),
    "vae": Variant("VAE"),
    "anovaegan": Variant("AnoVAEGAN", steps=300),
    "vae_kl_0.1": Variant("VAE", "kl_weight=0.1"),
    "patchgan": Variant("PatchGAN", steps=300),
    "tae": Variant("TAE"),
    "ddpm": Variant("DDPM"),
    "ddpm_simplex": Variant("DDPM", "diffusion_noise=simplex diffusion_cell_mm=60"),
    "ddpm_coarse_32": Variant("DDPM", "diffusion_cell_mm=32"),
    "ddpm_conditioned": Variant("DDPM", "conditioned=true"),
}


def trainer_name(variant: Variant) -> str:
    """The trainer whose folder a variant's models lie in."""
    return f"nnUNetPretrainer{variant.method}_{EPOCHS}epochs_{variant.steps // EPOCHS}iters"


def model_folder(root: Path, name: str) -> Path:
    """nnU-Net's model folder of a variant."""
    variant = VARIANTS[name]
    return root / name / variant.dataset / f"{trainer_name(variant)}__{PLANS}__{variant.configuration}"


def _train(root: Path, name: str, fold: int) -> None:
    variant = VARIANTS[name]
    log = root / f"{name}_{fold}.log"
    with log.open("w") as handle:
        os.dup2(handle.fileno(), 1)
        os.dup2(handle.fileno(), 2)
        os.environ.update(
            nnUNet_results=str(root / name),
            nnUNet_uad_settings=joined(f"seed={fold}", variant.settings),
            nnUNet_n_proc_DA="0",
            nnUNet_def_n_proc="1",
        )
        try:
            import torch

            from nnunet_uad.plugin import nnunet_uad_trainers

            torch.set_num_threads(1)
            base = Path(os.environ["nnUNet_preprocessed"]) / variant.dataset
            plans = json.loads((base / f"{PLANS}.json").read_text())
            plans["continue_training"] = False
            dataset_json = json.loads((base / "dataset.json").read_text())
            trainer_class = getattr(nnunet_uad_trainers, trainer_name(variant))
            device = torch.device(os.environ.get("NNUNET_UAD_BENCH_DEVICE", "cpu"))
            trainer = trainer_class(plans, variant.configuration, fold, dataset_json, device)
            trainer.num_val_iterations_per_epoch = 2
            trainer.run_training()
            log.unlink()
        except Exception:
            traceback.print_exc()


def train(root: Path, names: list[str], folds: list[int], workers: int) -> None:
    """Train what has no final checkpoint yet, ``workers`` at a time, each in a fresh process."""
    root.mkdir(parents=True, exist_ok=True)
    os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
    context = multiprocessing.get_context("spawn")
    running: list = []
    for name in names:
        for fold in folds:
            if (model_folder(root, name) / f"fold_{fold}" / "checkpoint_final.pth").exists():
                continue
            while len(running) >= workers:
                running = [p for p in running if p.is_alive()]
                time.sleep(0.5)
            process = context.Process(target=_train, args=(root, name, fold))
            process.start()
            running.append(process)
    for process in running:
        process.join()


#: What is made of one reconstruction.
PLAIN = {"intensity_weight": 0.0, "smoothing_mm": 0.0}
ALL_CHANNELS = "FLAIR:1,T1c:1"
SCORES: dict[str, dict[str, Any]] = {
    "absolute, all channels": {"residual": "absolute", "channel_weights": ALL_CHANNELS, **PLAIN},
    "absolute, all channels, median 9.4 mm, erosion 2 mm": {
        "residual": "absolute",
        "channel_weights": ALL_CHANNELS,
        "median_mm": 9.4,
        "erosion_mm": 2.0,
        **PLAIN,
    },
    "absolute, FLAIR": {"residual": "absolute", "channel_weights": "FLAIR:1", **PLAIN},
    "SSIM, FLAIR": {"residual": "ssim", **PLAIN},
    "signed, FLAIR": {"residual": "signed", **PLAIN},
    "signed, FLAIR - 0.25 T1c": {"residual": "signed", "channel_weights": "FLAIR:1,T1c:-0.25", **PLAIN},
    "signed, FLAIR + 0.25 T1c": {"residual": "signed", "channel_weights": "FLAIR:1,T1c:0.25", **PLAIN},
    **{f"signed, smoothed {mm} mm": {"intensity_weight": 0.0, "smoothing_mm": float(mm)} for mm in (1, 2, 3)},
    **{f"signed, intensity {w}": {"intensity_weight": w, "smoothing_mm": 0.0} for w in (0.25, 0.5, 0.75)},
    **{
        f"signed, intensity {w}, smoothed 2 mm": {"intensity_weight": w, "smoothing_mm": 2.0} for w in (0.25, 0.5, 0.75)
    },
    "z-scored intensity": {"intensity_weight": 1.0, "smoothing_mm": 0.0},
    "z-scored intensity, smoothed 2 mm": {"intensity_weight": 1.0, "smoothing_mm": 2.0},
    "signed, intensity 0.25, smoothed 3 mm": {"intensity_weight": 0.25, "smoothing_mm": 3.0},
    "signed, intensity 0.25, smoothed 2 mm, erosion 2 mm": {"erosion_mm": 2.0},
    "signed, intensity 0.25, smoothed 2 mm, erosion 4 mm": {"erosion_mm": 4.0},
    "signed, intensity 0.25, median 6 mm": {"smoothing_mm": 0.0, "median_mm": 6.0},
}
DEFAULT, RECIPE, SIGNED = "signed, intensity 0.25, smoothed 2 mm", "absolute, all channels", "signed, FLAIR"
#: What is done at test time with one variant's models: name → changed settings of the training, mirroring.
TEST_TIME: dict[str, dict[str, tuple[dict[str, Any], bool]]] = {
    "base": {
        "": ({}, False),
        "mirrored": ({}, True),
        "4 noisy copies, std 1.5": ({"test_noise_copies": 4, "test_noise_std": 1.5}, False),
        "4 noisy copies, std 3": ({"test_noise_copies": 4, "test_noise_std": 3.0}, False),
    },
    "ddpm": {
        "": ({}, False),
        "t = 250": ({"test_times": (250,)}, False),
        "t = 500": ({"test_times": (500,)}, False),
        "t = 750": ({"test_times": (750,)}, False),
        "DDIM, 10 steps from 250": ({"ddim_start": 250}, False),
        "DDIM, 10 steps from 500": ({"ddim_start": 500}, False),
    },
}


def score(root: Path, names: list[str], folds: list[int]) -> None:
    """Score what is trained and has no row yet, then print the table."""
    for name in names:
        for test_time, change in TEST_TIME.get(name, {"": ({}, False)}).items():
            for fold in folds:
                row = root / "scores" / f"{name}{'__' if test_time else ''}{test_time.replace(' ', '_')}_{fold}.json"
                trained = model_folder(root, name) / f"fold_{fold}" / "checkpoint_final.pth"
                if not row.exists() and trained.exists():
                    row.parent.mkdir(exist_ok=True)
                    write_json(row, {"variant": name, "test_time": test_time, **score_fold(root, name, fold, *change)})
    print_table([json.loads(p.read_text()) for p in sorted((root / "scores").glob("*.json"))])


def score_fold(root: Path, name: str, fold: int, changes: dict, mirroring: bool) -> dict:
    """The row holds each case's average precision, and its compact histogram for pooling."""
    from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2

    from nnunet_uad.inference.model import load_restorer, pretrainer_class

    variant = VARIANTS[name]
    base = Path(os.environ["nnUNet_preprocessed"]) / variant.dataset
    device = os.environ.get("NNUNET_UAD_BENCH_DEVICE", "cpu")
    restorer = load_restorer(model_folder(root, name), [fold], device=device, mirroring=mirroring)
    if changes:
        trainer_class = pretrainer_class(trainer_name(variant))
        settings = dataclasses.replace(restorer.settings, **changes)
        task = trainer_class.make_task(settings, restorer.model.configuration)
        restorer = dataclasses.replace(restorer, restoration=task.restoration)
    identifier = restorer.model.configuration.data_identifier
    cases = json.loads((base / "splits_final.json").read_text())[fold]["val"]
    dataset = nnUNetDatasetBlosc2(str(base / identifier), cases)
    scores: dict[str, dict] = {}
    for case in cases:
        data, seg, _, properties = dataset.load_case(case)
        image, labels = np.asarray(data[:], dtype=np.float32), np.asarray(seg[:])[0]
        restored = restorer.reconstruct(image, labels >= 0)
        for label, values in maps_of(restorer, image, restored, labels >= 0, properties).items():
            histogram = ScoreHistogram()
            histogram.add(values, labels > 0)
            curve = Curve.of(histogram)
            scores.setdefault(label, {})[case] = {
                "AP": average_precision(curve),
                "compact": histogram.compact().tolist(),
            }
    return {"fold": fold, "scores": scores}


def maps_of(
    restorer: Restorer, image: np.ndarray, restored: np.ndarray, foreground: np.ndarray, properties: dict
) -> dict[str, np.ndarray]:
    """All maps (z, y, x) that are compared, of one reconstruction (C, z, y, x)."""
    spacing = restorer.model.spacing_of(properties)
    names = restorer.model.channel_names
    maps = {
        label: restorer.anomaly_score(image, restored, foreground, properties, ScoreSettings(**settings))
        for label, settings in SCORES.items()
        if len(names) > 1 or "T1c" not in str(settings)
    }
    flair = image[0]
    for sigma in (0, 2, 3):
        blurred = smoothed(flair, foreground, spacing, float(sigma)) if sigma else flair
        maps[f"intensity, smoothed {sigma} mm" if sigma else "intensity"] = equalised_intensity(blurred, foreground)
    residual = smoothed(flair - restored[0], foreground, spacing, 2.0)
    ranked = [residual, smoothed(flair, foreground, spacing, 2.0)]
    maps["rank ensemble of signed residual and intensity, smoothed 2 mm"] = rank_ensemble(ranked, foreground)
    return maps


def print_table(rows: list[dict]) -> None:
    """Every score of the first variant, then the default, the recipe and the plain residual of every variant."""
    grouped: dict[tuple[str, str], list[dict]] = {}
    for row in rows:
        grouped.setdefault((row["variant"], row["test_time"]), []).append(row)
    for (variant, test_time), folds in grouped.items():
        every = (variant, test_time) == ("base", "")
        labels = list(folds[0]["scores"]) if every else [DEFAULT, SIGNED, RECIPE]
        print(f"\n{variant} {test_time}: {len(folds)} fold(s)")
        for label in labels:
            cases = {c: v for row in folds for c, v in row["scores"].get(label, {}).items()}
            if cases:
                values = [v["AP"] for v in cases.values()]
                each = ", ".join(f"{v:.3f}" for _, v in sorted(zip(cases, values, strict=True)))
                pooled = pooled_precision([v["compact"] for v in cases.values()])
                print(f"| {label} | {pooled:.3f} | {np.mean(values):.3f} | {each} |")


def pooled_precision(compact: list[list]) -> float:
    """Average precision of all cases together."""
    rows = np.concatenate([np.array(case) for case in compact])
    bins, index = np.unique(-rows[:, 0], return_inverse=True)
    positives, voxels = (np.cumsum(np.bincount(index, weights=rows[:, k])) for k in (1, 2))
    return average_precision(Curve(-bins, positives, voxels - positives))


def main() -> None:
    """Train the variants, or score those that are trained."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=("train", "score"))
    parser.add_argument("-o", type=Path, required=True)
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 1, 2, 3])
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.stage == "train":
        train(arguments.o, arguments.variants, arguments.folds, arguments.workers)
    else:
        score(arguments.o, arguments.variants, arguments.folds)


if __name__ == "__main__":
    main()
