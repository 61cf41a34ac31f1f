"""The flags that name a trained pretrainer and say how it is run."""

from __future__ import annotations

import argparse
from typing import Any

from nnunet_uad.cli.common import PROCESSES, SEED, default_processes, number
from nnunet_uad.common.nnunet import CHECKPOINT, ModelFolder, dataset_name, required_folder


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of a command that reconstructs images with a trained pretrainer.

    Args:
        parser: Parser of the command.
    """
    add = parser.add_argument
    add("-d", required=True, metavar="DATASET", help="dataset of the model, number or name")
    add("-c", required=True, metavar="CONFIGURATION", help="configuration of the model")
    add("-tr", required=True, metavar="TRAINER", help="the pretrainer, by its full name")
    add("-p", default="nnUNetPlans", metavar="PLANS", help="plans name (default: nnUNetPlans)")
    add("-f", nargs="+", default=[], metavar="FOLD", help="folds, averaged (default: all that are trained)")
    add("-chk", default=CHECKPOINT, metavar="FILE", help=f"checkpoint (default: {CHECKPOINT})")
    add_run_arguments(parser)


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags that say how models are run, whichever they are.

    Args:
        parser: Parser of the command.
    """
    add, processes = parser.add_argument, min(3, default_processes())
    add("--seed", type=number(int, SEED), help="of what is drawn (default: the training's)")
    add("--disable_tta", action="store_true", help="no mirroring: faster")
    for flag, words in {"-npp": "preprocessing", "-nps": "scoring and writing"}.items():
        text = f"processes for {words} (default: {processes})"
        add(flag, type=number(int, PROCESSES), default=processes, metavar="N", help=text)
    add("-device", default="cuda", choices=("cuda", "cpu", "mps"), help="default: cuda")


def model_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The fields of a :class:`nnunet_uad.inference.model.ModelRequest` that the flags name.

    Args:
        arguments: Parsed flags.

    Raises:
        ValueError: The trainer is no pretrainer, or there is no such dataset.
        RuntimeError: nnUNet_results is not set.
    """
    from nnunet_uad.inference.model import pretrainer_class

    pretrainer_class(arguments.tr)
    results = required_folder("nnUNet_results")
    model = ModelFolder(results, dataset_name(results, arguments.d), arguments.tr, arguments.p, arguments.c)
    return {
        "model": model.path,
        "folds": arguments.f,
        "checkpoint": arguments.chk,
        **run_options(arguments),
    }


def run_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The fields of a request that say how models are run.

    Args:
        arguments: Parsed flags of :func:`add_run_arguments`.
    """
    return {
        "device": arguments.device,
        "mirroring": not arguments.disable_tta,
        "seed": arguments.seed,
        "preprocessing_processes": arguments.npp,
        "export_processes": arguments.nps,
    }
