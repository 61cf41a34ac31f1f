"""The flags that name trained models and say how they are run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from nnunet_uad.cli.common import PROCESSES, SEED, number
from nnunet_uad.common.nnunet import CHECKPOINT, ModelFolder, dataset_name, required_folder


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of a command that reconstructs images with a trained pretrainer.

    Args:
        parser: Parser of the command.
    """
    add_named_model(parser, "the pretrainer")
    add_run_arguments(parser)


def add_named_model(
    parser: argparse.ArgumentParser, words: str, suffix: str = "", like: str = "", optional: str = ""
) -> None:
    """Declare the flags that name a model: dataset, configuration, trainer, plans, folds, checkpoint.

    Args:
        parser: Parser of the command.
        words: Words for the model.
        suffix: Text behind each flag of a second model: ``-map``.
        like: Words for the first model, whose dataset, configuration and plans the second one has by default.
        optional: Words for what the model is for where it need not be named; it is then of the first one's dataset.
    """
    add, first = parser.add_argument, not suffix
    same = "" if first else f" (default: {like}'s)"
    if not optional:
        add(f"-d{suffix}", required=first, metavar="DATASET", help=f"dataset of {words}, number or name{same}")
    add(f"-c{suffix}", required=first, metavar="CONFIGURATION", help=f"configuration of {words}{same}")
    why = f": {optional}" if optional else ""
    add(f"-tr{suffix}", required=not optional, metavar="TRAINER", help=f"trainer of {words}, by its full name{why}")
    plans = "nnUNetPlans" if first else None
    add(f"-p{suffix}", default=plans, metavar="PLANS", help=f"plans of {words}{same or ' (default: nnUNetPlans)'}")
    add(f"-f{suffix}", nargs="+", default=[], metavar="FOLD", help=f"folds of {words} (default: all that are trained)")
    add(f"-chk{suffix}", default=CHECKPOINT, metavar="FILE", help=f"checkpoint of {words} (default: {CHECKPOINT})")


def model_folder(arguments: argparse.Namespace, suffix: str = "") -> Path:
    """Folder of the model that flags name; what a second one's leave open is as the first one's.

    Args:
        arguments: Parsed flags.
        suffix: Text behind each flag of the second model, as an attribute: ``_map``.

    Raises:
        ValueError: There is no such dataset.
        RuntimeError: nnUNet_results is not set.
    """
    given = vars(arguments)
    dataset, plans, configuration = (given.get(f"{flag}{suffix}") or given[flag] for flag in ("d", "p", "c"))
    results = required_folder("nnUNet_results")
    return ModelFolder(results, dataset_name(results, dataset), given[f"tr{suffix}"], plans, configuration).path


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags that say how models are run, whichever they are.

    Args:
        parser: Parser of the command.
    """
    add = parser.add_argument
    add("--seed", type=number(int, SEED), help="of what is drawn (default: the training's)")
    add("--disable_tta", action="store_true", help="no mirroring: faster")
    for flag, words in {"-npp": "preprocessing", "-nps": "scoring and writing"}.items():
        text = f"processes for {words} (default: by cores, memory and cases; 0: this one)"
        add(flag, type=number(int, PROCESSES), metavar="N", help=text)
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
    return {
        "model": model_folder(arguments),
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
