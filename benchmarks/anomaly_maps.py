"""Which pretraining gives the better anomaly maps? Cross-validated on 901, shown on 902.

    python benchmarks/anomaly_maps.py train -o results/maps --workers 2

Every training is an ordinary nnU-Net model below ``results/maps/<variant>``; run the command again to continue an
interrupted study.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

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
            nnUNet_uad_settings=f"seed={fold} {variant.settings}",
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=("train",))
    parser.add_argument("-o", type=Path, required=True)
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 1, 2, 3])
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    train(arguments.o, arguments.variants, arguments.folds, arguments.workers)


if __name__ == "__main__":
    main()
