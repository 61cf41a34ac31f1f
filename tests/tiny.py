"""A tiny dataset in nnU-Net's raw format, made on the fly, and short trainings on it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import SimpleITK
import torch

DATASET, NUMBER = "Dataset991_Tiny", "991"
HEALTHY = [f"healthy_{i}" for i in range(4)]
LESION = [f"lesion_{i}" for i in range(4)]
#: Trainer of :func:`save_segmenter`.
SEGMENTER = "nnUNetTrainerFromScratch_1epochs_1iters"
SPACING_XYZ = (2.0, 2.0, 3.0)
SHAPE = (12, 40, 40)


def tiny_case(seed: int, with_lesion: bool) -> tuple[np.ndarray, np.ndarray]:
    """Two channels with zero background, and labels 1 and 2 in slices 5 to 7."""
    rng = np.random.default_rng(seed)
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    brain = (z**2 + y**2 + x**2) < 0.95
    image = np.stack([300 + 80 * x + 60 * y, 500 - 90 * y + 40 * z]) + 15 * rng.standard_normal((2, *SHAPE))
    seg = np.zeros(SHAPE, np.uint8)
    if with_lesion:
        y0, x0 = rng.integers(12, 22, 2)
        seg[5:8, y0 : y0 + 7, x0 : x0 + 7] = 1
        seg[6, y0 + 2 : y0 + 5, x0 + 2 : x0 + 5] = 2
        image[:, seg > 0] += np.array([[250.0], [-150.0]])
    return np.where(brain, np.clip(image, 1, None), 0).astype(np.float32), seg * brain


def write_image(volume: np.ndarray, path: Path) -> None:
    """Write with a spacing, origin and direction that a wrong axis order would not survive."""
    image = SimpleITK.GetImageFromArray(volume)
    image.SetSpacing(SPACING_XYZ)
    image.SetOrigin((3.0, -7.0, 11.0))
    image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    SimpleITK.WriteImage(image, str(path))


def write_raw(root: Path, name: str = DATASET, labels: dict | None = None, seed: int = 0) -> Path:
    """The raw dataset; ``labels`` replaces the plain two classes (regions, ignore label), ``seed`` the scans."""
    folder = root / name
    for sub in ("imagesTr", "labelsTr", "imagesTs"):
        (folder / sub).mkdir(parents=True)
    for index, case in enumerate([*HEALTHY, *LESION]):
        image, seg = tiny_case(seed + index, case in LESION)
        for channel, volume in enumerate(image):
            write_image(volume, folder / "imagesTr" / f"{case}_{channel:04d}.nii.gz")
        write_image(seg, folder / "labelsTr" / f"{case}.nii.gz")
    for channel, volume in enumerate(tiny_case(99, True)[0]):
        write_image(volume, folder / "imagesTs" / f"test_{channel:04d}.nii.gz")
    content = {
        "channel_names": {"0": "FLAIR", "1": "T1"},
        "labels": labels or {"background": 0, "lesion": 1, "core": 2},
        "numTraining": 8,
        "file_ending": ".nii.gz",
    }
    if labels and any(isinstance(v, list) for v in labels.values()):
        content["regions_class_order"] = [1, 2]
    (folder / "dataset.json").write_text(json.dumps(content))
    return folder


def plan_and_preprocess(
    number: int, name: str, planner: str = "ExperimentPlanner", wanted: tuple[str, ...] = ("2d_tiny",)
) -> str:
    """nnU-Net's planning, small configurations of ours, nnU-Net's preprocessing. Returns the plans' name."""
    from nnunetv2.experiment_planning.plan_and_preprocess_api import (
        extract_fingerprints,
        plan_experiments,
        preprocess,
    )

    from nnunet_uad.cli.main import main

    extract_fingerprints([number], num_processes=1)
    # The planner hands this number to torch, which wants at least one thread.
    os.environ["nnUNet_n_proc_DA"] = "1"
    plans = plan_experiments([number], experiment_planner_class_name=planner)
    os.environ["nnUNet_n_proc_DA"] = "0"
    small = {
        "2d_tiny": "-c 2d --spacing 2 --patch 32 32 --features 8 16 16 --batch 4",
        "3d_tiny": "-c 3d_fullres --spacing 3 2 2 --patch 8 32 32 --features 8 16 16 --batch 2",
    }
    for configuration, flags in small.items():
        arguments = ["small-plan", "-d", str(number), "-p", plans, *flags.split(), "--name", configuration]
        assert main(arguments) == 0
    preprocess([number], plans, list(wanted), num_processes=[1] * len(wanted))
    splits = [
        {"train": [*HEALTHY, *LESION[:1]], "val": LESION[2:]},
        {"train": LESION[:2], "val": LESION[2:]},
    ]
    path = Path(os.environ["nnUNet_preprocessed"]) / name / "splits_final.json"
    path.write_text(json.dumps(splits))
    return plans


def make_trainer(
    trainer: str,
    configuration: str = "2d_tiny",
    fold: int | str = 0,
    plans: str = "nnUNetPlans",
    number: str = NUMBER,
    continue_training: bool = False,
):
    """A trainer the way ``nnUNetv2_train`` makes it, on the CPU."""
    from nnunetv2.run.run_training import get_trainer_from_args

    return get_trainer_from_args(number, configuration, fold, trainer, plans, continue_training, torch.device("cpu"))


def run_training(trainer: str, configuration: str = "2d_tiny", fold: int | str = 0, **flags) -> Path:
    """``nnUNetv2_train`` in this process; returns the fold's folder."""
    from nnunetv2.run import run_training as nnunet

    number = flags.pop("number", NUMBER)
    plans = flags.pop("plans", "nnUNetPlans")
    nnunet.run_training(number, configuration, fold, trainer, plans, device=torch.device("cpu"), **flags)
    name = next(Path(os.environ["nnUNet_preprocessed"]).glob(f"Dataset{number}_*")).name
    return fold_folder(trainer, configuration, fold, plans, name)


def save_untrained(trainer: str, configuration: str = "2d_tiny", fold: int | str = 0) -> Path:
    """The files of a training that has not made a step: random weights, in no time. Returns the fold's folder."""
    started = make_trainer(trainer, configuration, fold)
    started.on_train_start()
    started.save_checkpoint(f"{started.output_folder}/checkpoint_final.pth")
    return Path(started.output_folder)


def save_segmenter(trainer: str = SEGMENTER) -> Path:
    """An untrained model that segments, with a "validation" that finds the lesions, somewhat to one side."""
    fold = save_untrained(trainer)
    (fold / "validation").mkdir(exist_ok=True)
    for case in LESION[2:]:
        label = SimpleITK.ReadImage(str(Path(os.environ["nnUNet_raw"]) / DATASET / "labelsTr" / f"{case}.nii.gz"))
        moved = SimpleITK.GetImageFromArray(np.roll(SimpleITK.GetArrayFromImage(label), 2, axis=2))
        moved.CopyInformation(label)
        SimpleITK.WriteImage(moved, str(fold / "validation" / f"{case}.nii.gz"))
    return fold


def fold_folder(
    trainer: str, configuration: str = "2d_tiny", fold: int | str = 0, plans: str = "nnUNetPlans", name: str = DATASET
) -> Path:
    """Where nnU-Net puts that training."""
    return Path(os.environ["nnUNet_results"]) / name / f"{trainer}__{plans}__{configuration}" / f"fold_{fold}"


def write_example_folder(folder: Path, fold: Path, segmenter: Path) -> Path:
    """What the examples of docstrings name, made of the tiny dataset, a pretrainer's fold 0 and a segmenting one's.

    A model and its preprocessed dataset, raw cases that the fold has not seen, raw healthy cases without labels, and
    the images of one case. The configuration 2d is the tiny one.
    """
    raw, images = Path(os.environ["nnUNet_raw"]) / DATASET, folder / "IMAGES"
    tumour, healthy = (folder / "nnUNet_raw" / name for name in ("Dataset901_Tumour", "Dataset903_Healthy"))
    for path in (tumour / "imagesTr", tumour / "labelsTr", healthy / "imagesTr", images):
        path.mkdir(parents=True)
    for channel in (0, 1):
        shutil.copy(raw / "imagesTs" / f"test_{channel:04d}.nii.gz", images / f"case_{channel:04d}.nii.gz")
        shutil.copy(raw / "imagesTr" / f"{HEALTHY[0]}_{channel:04d}.nii.gz", healthy / "imagesTr")
    for case in LESION[1:]:
        for path in (*(raw / "imagesTr").glob(f"{case}_*"), raw / "labelsTr" / f"{case}.nii.gz"):
            shutil.copy(path, tumour / path.parent.name)
    for dataset in (tumour, healthy):
        shutil.copy(raw / "dataset.json", dataset)
    preprocessed = folder / "nnUNet_preprocessed" / tumour.name
    model = folder / "nnUNet_results" / tumour.name / "nnUNetPretrainerDAE__nnUNetPlans__2d"
    supervised = model.with_name("nnUNetTrainer__nnUNetPlans__2d")
    for path in (preprocessed, model, supervised):
        path.mkdir(parents=True)
    source = Path(os.environ["nnUNet_preprocessed"]) / DATASET
    for name in ("dataset.json", "dataset_fingerprint.json", "splits_final.json"):
        shutil.copy(source / name, preprocessed)
    for path, trained in {model: fold, supervised: segmenter}.items():
        shutil.copy(source / "dataset.json", path)
        (path / trained.name).symlink_to(trained)
    plans = json.loads((source / "nnUNetPlans.json").read_text())
    configurations = plans["configurations"]
    tiny = {k: v for k, v in configurations["2d_tiny"].items() if k != "inherits_from"}
    configurations["2d"] |= tiny
    for path in (preprocessed / "nnUNetPlans.json", model / "plans.json", supervised / "plans.json"):
        path.write_text(json.dumps(plans))
    return folder
