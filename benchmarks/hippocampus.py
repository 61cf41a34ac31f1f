"""The 904 study: 150 hippocampi without labels, fine-tuning with 1, 3, 10 and 30, testing on the other 50.

Needs ``Dataset904_Hippocampus`` preprocessed with a small 3D plan (see docs/results/hippocampus.md for the commands).
"""

from __future__ import annotations

import os
import random
from pathlib import Path

from cells import Cell

from nnunet_uad.common.settings import joined
from nnunet_uad.data.linked import link_preprocessed

DATASET, CONFIGURATION = "Dataset904_Hippocampus", "3d_small"
BUDGETS, DRAWS, TEST_CASES = (1, 3, 10, 30), (0, 1, 2), 50
# The recipe is chosen on other cases and other draws than it is judged on.
ABLATION_BUDGETS, ABLATION_DRAWS, ABLATION_CASES = (1, 3), (100, 101), 30
PRETRAINING_STEPS, FINE_TUNING_STEPS = 3000, 300
ARMS = {
    "scratch": "nnUNetTrainerFromScratch",
    "DAE": "nnUNetTrainerDAEPretrained",
    "MAE": "nnUNetTrainerMAEPretrained",
    "TAE": "nnUNetTrainerTAEPretrained",
    "VAE": "nnUNetTrainerVAEPretrained",
    "auxiliary": "nnUNetTrainerAuxReconstruction",
    "TAE + auxiliary": "nnUNetTrainerTAEPretrainedAuxReconstruction",
    "scratch_1e-3": "nnUNetTrainerFromScratch",
}
#: Arms whose pretraining is not called as they are; those without any start from random weights.
METHODS = {"scratch": "", "scratch_1e-3": "", "auxiliary": "", "TAE + auxiliary": "TAE"}
#: The baseline at the rate that suited it better in the ablation.
ARM_SETTINGS = {"scratch_1e-3": "learning_rate=0.001"}


def prepare(folder: Path) -> tuple[str, dict[tuple[int, int], int]]:
    """Write the splits; returns the preprocessed root and the fold of every (budget, draw). Fold 0 pretrains."""
    root = folder / "preprocessed"
    source = Path(os.environ["nnUNet_preprocessed"]) / DATASET
    cases = sorted(p.name[: -len(".pkl")] for p in (source / f"nnUNetPlans_{CONFIGURATION}").glob("*.pkl"))
    random.Random(904).shuffle(cases)
    test, pool = sorted(cases[:TEST_CASES]), cases[TEST_CASES:]
    splits, folds = [{"train": sorted(pool), "val": test}], {}
    for draw in DRAWS:
        order = list(pool)
        random.Random(draw).shuffle(order)
        for budget in BUDGETS:  # nested: a smaller budget is a subset of a larger one
            folds[budget, draw] = len(splits)
            splits.append({"train": sorted(order[:budget]), "val": test})
    for draw in ABLATION_DRAWS:
        order = list(pool)
        random.Random(draw).shuffle(order)
        for budget in ABLATION_BUDGETS:
            folds[budget, draw] = len(splits)
            splits.append({"train": sorted(order[:budget]), "val": sorted(order[-ABLATION_CASES:])})
    link_preprocessed(source, root, splits)
    return str(root), folds


def pretraining(root: str, method: str, steps: int, settings: str = "", name: str = "") -> Cell:
    """A pretraining on the 150 cases; labels are anatomy here, so patches come from anywhere."""
    return Cell(
        name or f"hippocampus_pretrain_{method}",
        f"nnUNetPretrainer{method}",
        root,
        DATASET,
        CONFIGURATION,
        0,
        steps,
        joined("sampling=anywhere seed=1", settings),
    )


def fine_tuning(
    root: str,
    folds: dict,
    arm: str,
    budget: int,
    draw: int,
    steps: int,
    weights: str,
    settings: str = "",
    tag: str = "",
) -> Cell:
    """One supervised training on ``budget`` cases."""
    return Cell(
        f"hippocampus_{tag or arm}_{budget}_{draw}",
        ARMS[arm],
        root,
        DATASET,
        CONFIGURATION,
        folds[budget, draw],
        steps,
        joined(f"seed={draw}", settings),
        weights,
        {"arm": tag or arm, "budget": budget, "draw": draw},
    )
