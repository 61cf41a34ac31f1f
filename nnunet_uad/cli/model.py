"""The flags that name a pretrained model, and the model that they name."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from nnunet_uad.cli.common import default_processes
from nnunet_uad.common.nnunet import ModelFolder, dataset_name, required_folder


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of a command that restores images with a pretrained model."""
    processes = min(3, default_processes())
    add = parser.add_argument
    add("-d", required=True, metavar="DATASET", help="dataset of the model, number or name")
    add("-c", required=True, metavar="CONFIGURATION", help="configuration of the model")
    add("-tr", required=True, metavar="TRAINER", help="the pretrainer, by its full name")
    add("-p", default="nnUNetPlans", metavar="PLANS", help="plans name (default: nnUNetPlans)")
    add("-f", nargs="+", default=[], metavar="FOLD", help="folds, averaged (default: all that are trained)")
    add("-chk", default="checkpoint_final.pth", metavar="FILE", help="checkpoint (default: checkpoint_final.pth)")
    add("--seed", type=int, help="of what is drawn (default: the training's)")
    add("--disable_tta", action="store_true", help="no mirroring: faster")
    add("-npp", type=int, default=processes, metavar="N", help=f"processes for preprocessing (default: {processes})")
    add("-nps", type=int, default=processes, metavar="N", help=f"processes for writing (default: {processes})")
    add("-device", default="cuda", choices=("cuda", "cpu", "mps"), help="default: cuda")


def find_model(arguments: argparse.Namespace) -> tuple[Any, list[Path]]:
    """The trainer's class and the folders of the folds that the flags name.

    Raises:
        ValueError: no pretrainer of this plugin.
        FileNotFoundError: no such model or fold.
    """
    from nnunet_uad.inference.model import find_folds

    trainer_class = pretrainer_class(arguments.tr)
    results = required_folder("nnUNet_results")
    model = ModelFolder(results, dataset_name(results, arguments.d), arguments.tr, arguments.p, arguments.c)
    return trainer_class, find_folds(model.path, arguments.chk, arguments.f)


def pretrainer_class(name: str) -> Any:
    """The trainer class, which must be a pretrainer.

    Raises:
        ValueError: no trainer of this plugin, or one that segments.
    """
    from nnunet_uad.plugin import nnunet_uad_trainers

    try:
        trainer_class = getattr(nnunet_uad_trainers, name)
    except AttributeError:
        trainer_class = None
    if trainer_class is None or not hasattr(trainer_class, "task_class"):
        pretrainers = [n for n in nnunet_uad_trainers.__all__ if n.startswith("nnUNetPretrainer")]
        raise ValueError(
            f"-tr expects a pretrainer, found {name!r}. Pretrainers: {', '.join(pretrainers)}, each also with "
            "_<N>epochs. Models that segment are for nnUNetv2_predict."
        )
    return trainer_class
