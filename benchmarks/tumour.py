"""The 901 study: 4 and 16 labelled slices, 1 and 3 labelled cases, whole lesion and four classes.

Draw d leaves case d out for testing. Pretraining sees the images of the three others without their labels. The
budgets are nested: 4 slices of a case, 16 of it, all of it, all three. Half of the slices cut the lesion; what
is not labelled carries the ignore label.

Needs ``Dataset901_Tumour`` preprocessed with 2d_small (see docs/results/tumours.md for the commands).
"""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path

import numpy as np
from batchgenerators.utilities.file_and_folder_operations import write_pickle
from cells import Cell

from nnunet_uad.common.files import write_json
from nnunet_uad.data.cohort import UNLABELLED_FILE

CONFIGURATION = "2d_small"
BUDGETS, DRAWS, LABELS = ("4s", "16s", "1", "3"), (0, 1, 2), ("binary", "multiclass")
SOURCES = {"binary": "Dataset901_Tumour", "multiclass": "Dataset905_TumourMulticlass"}
PRETRAINING_STEPS, FINE_TUNING_STEPS = 400, 120
MIN_BRAIN_VOXELS = 200


def make_multiclass() -> None:
    """Dataset 905: the images of 901 with their four classes, preprocessed with the plans of 901."""
    from nnunetv2.experiment_planning.plan_and_preprocess_api import preprocess

    raw, preprocessed = Path(os.environ["nnUNet_raw"]), Path(os.environ["nnUNet_preprocessed"])
    target = preprocessed / SOURCES["multiclass"]
    if (target / f"nnUNetPlans_{CONFIGURATION}").exists():
        return
    old, new = raw / SOURCES["binary"], raw / SOURCES["multiclass"]
    new.mkdir(exist_ok=True)
    for name, source in {"imagesTr": "imagesTr", "labelsTr": "labels_multiclass"}.items():
        if not (new / name).exists():
            (new / name).symlink_to(old / source, target_is_directory=True)
    description = json.loads((old / "dataset.json").read_text())
    classes = ("background", "necrosis", "oedema", "non-enhancing", "enhancing")
    description["labels"] = {name: value for value, name in enumerate(classes)}
    target.mkdir(exist_ok=True)
    for folder in (new, target):
        (folder / "dataset.json").write_text(json.dumps(description))
    for name in ("dataset_fingerprint.json", "nnUNetPlans.json"):
        shutil.copy(preprocessed / SOURCES["binary"] / name, target)
    plans = json.loads((target / "nnUNetPlans.json").read_text())
    plans["dataset_name"] = SOURCES["multiclass"]
    (target / "nnUNetPlans.json").write_text(json.dumps(plans))
    preprocess([905], "nnUNetPlans", [CONFIGURATION], num_processes=[1])


def prepare(folder: Path) -> str:
    """Derived datasets, one per draw, budget and label set; returns the preprocessed root."""
    make_multiclass()
    root = folder / "preprocessed"
    for labels in LABELS:
        source = Path(os.environ["nnUNet_preprocessed"]) / SOURCES[labels]
        for draw in DRAWS:
            for budget in BUDGETS:
                _derive(source, root / dataset_name(labels, draw, budget), draw, budget)
    return str(root)


def dataset_name(labels: str, draw: int, budget: str) -> str:
    """Name of a derived dataset."""
    number = 100 * (LABELS.index(labels) + 1) + 10 * draw + BUDGETS.index(budget)
    return f"Dataset{number:03d}_{labels}_draw{draw}_{budget}"


def _derive(source: Path, target: Path, draw: int, budget: str) -> None:
    """Links to the preprocessed data under other splits; for slice budgets one case with an ignore label."""
    if (target / "splits_final.json").exists():
        return
    data = source / f"nnUNetPlans_{CONFIGURATION}"
    cases = sorted(p.name[: -len(".pkl")] for p in data.glob("*.pkl"))
    test, pool = cases[draw], [c for c in cases if c != cases[draw]]
    random.Random(draw).shuffle(pool)
    own = target / data.name
    own.mkdir(parents=True)
    for path in data.iterdir():
        (own / path.name).symlink_to(path)
    (target / "gt_segmentations").symlink_to(source / "gt_segmentations", target_is_directory=True)
    shutil.copy(source / "dataset_fingerprint.json", target)
    plans = json.loads((source / "nnUNetPlans.json").read_text())
    plans["dataset_name"] = target.name
    (target / "nnUNetPlans.json").write_text(json.dumps(plans))
    description = json.loads((source / "dataset.json").read_text())
    if budget.endswith("s"):
        description["labels"]["ignore"] = len(description["labels"])
        _keep_slices(own, pool[0], int(budget[:-1]), draw, plans, description)
        # nnU-Net's loader asks every case, the fully labelled test case too, where its annotated voxels are.
        _sample_locations(own, test, plans, description)
    (target / "dataset.json").write_text(json.dumps(description))
    train = pool[:1] if budget != "3" else pool
    # What a budget leaves out is there without labels: supervised trainers of ours skip it, pretrainers (fold 0) and
    # synthetic anomalies use it.
    write_json(target / UNLABELLED_FILE, sorted(set(pool) - set(train)))
    splits = [{"train": sorted(pool), "val": [test]}] * 2
    (target / "splits_final.json").write_text(json.dumps(splits))


def _keep_slices(folder: Path, case: str, count: int, draw: int, plans: dict, description: dict) -> None:
    """Give all but ``count`` slices of a case the ignore label."""
    from nnunetv2.training.dataloading.nnunet_dataset import comp_blosc2_params, nnUNetDatasetBlosc2

    image, seg, _, properties = nnUNetDatasetBlosc2(str(folder), [case]).load_case(case)
    image, seg = image[:], np.array(seg[:])
    lesion = [z for z in range(seg.shape[1]) if (seg[0, z] > 0).any()]
    healthy = [
        z for z in range(seg.shape[1]) if not (seg[0, z] > 0).any() and (seg[0, z] == 0).sum() > MIN_BRAIN_VOXELS
    ]
    rng = random.Random(1000 + draw)
    rng.shuffle(lesion)
    rng.shuffle(healthy)
    kept = [*lesion[: count // 2], *healthy[: count // 2]]
    hidden = np.ones(seg.shape[1], bool)
    hidden[kept] = False
    ignore = description["labels"]["ignore"]
    seg[:, hidden] = np.where(seg[:, hidden] >= 0, ignore, seg[:, hidden])
    patch = plans["configurations"][CONFIGURATION]["patch_size"]
    blocks, chunks = comp_blosc2_params(image.shape, tuple(patch))
    for ending in (".b2nd", "_seg.b2nd", ".pkl"):
        (folder / f"{case}{ending}").unlink()
    nnUNetDatasetBlosc2.save_case(
        image, seg, properties, str(folder / case), chunks=chunks, blocks=blocks, chunks_seg=chunks, blocks_seg=blocks
    )
    _sample_locations(folder, case, plans, description)


def _sample_locations(folder: Path, case: str, plans: dict, description: dict) -> None:
    """Give a case the foreground locations that nnU-Net's preprocessing stores for labels with an ignore label."""
    from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
    from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    _, seg, _, properties = nnUNetDatasetBlosc2(str(folder), [case]).load_case(case)
    manager = PlansManager(plans).get_label_manager(description)
    wanted = [*manager.foreground_labels, [-1, *manager.all_labels]]
    properties["class_locations"] = DefaultPreprocessor._sample_foreground_locations(seg[:], wanted)
    (folder / f"{case}.pkl").unlink()
    write_pickle(properties, str(folder / f"{case}.pkl"))


def pretraining(root: str, method: str, draw: int) -> Cell:
    """Pretraining on the images of the three cases that draw ``draw`` does not test on."""
    return Cell(
        f"tumour_pretrain_{method}_{draw}",
        f"nnUNetPretrainer{method}",
        root,
        dataset_name("binary", draw, "3"),
        CONFIGURATION,
        0,
        PRETRAINING_STEPS,
        f"sampling=anywhere seed={draw}",
    )


def fine_tuning(root: str, arm: str, trainer: str, labels: str, budget: str, draw: int, weights: str) -> Cell:
    """One supervised training."""
    return Cell(
        f"tumour_{labels}_{arm}_{budget}_{draw}",
        trainer,
        root,
        dataset_name(labels, draw, budget),
        CONFIGURATION,
        1,
        FINE_TUNING_STEPS,
        f"seed={draw}",
        weights,
        {"study": labels, "arm": arm, "budget": budget, "draw": draw},
    )
