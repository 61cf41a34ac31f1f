"""Which pretraining pays on the labels at hand? A race in a time budget, and the command that trains the final model.

Ways of pretraining, and files of weights, race against training from scratch on inner folds of the labelled cases:
every rung is a study (nnunet_uad study) with half the arms and longer trainings, the last one holds a single arm beside
the baseline, and its new trainings alone decide. The same command goes on after an interruption.

Examples:
    nnunet_uad choose -d 901 -c 2d --hours 6
    nnunet_uad choose -d 901 -c 2d --hours 6 --weights openmind.pth
    nnunet_uad choose -d 901 -c 2d_small --hours 0.5 --arms DAE=nnUNetTrainerDAEPretrained -device cpu
"""

from __future__ import annotations

import argparse
import os
from functools import partial
from pathlib import Path

from nnunet_uad.cli.common import number
from nnunet_uad.common.bounds import Bounds
from nnunet_uad.common.devices import require_device

_HOURS, _CORES, _SEED = Bounds(0, 10**5, without_low=True), Bounds(1, 10**5), Bounds(0, 2**31 - 1)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags.

    Args:
        parser: Parser of the command.
    """
    add = parser.add_argument
    add("-d", required=True, metavar="DATASET", help="dataset with two or more labelled cases, number or name")
    add("-c", required=True, metavar="CONFIGURATION", help="configuration to train")
    add("--hours", required=True, type=number(float, _HOURS), metavar="H", help="hours on the clock that there are")
    add("-p", default="nnUNetPlans", metavar="PLANS", help="plans name (default: nnUNetPlans)")
    add("-o", type=Path, metavar="FOLDER", help="folder of the race (default: choose_DATASET_CONFIGURATION)")
    add("--arms", nargs="+", default=[], metavar="NAME=TRAINER", help="arms instead of the default ones")
    add("--weights", nargs="+", default=[], type=Path, metavar="FILE", help="files of weights to try, too")
    add("-device", default="cuda", choices=("cuda", "cpu", "mps"), help="default: cuda")
    add("--seed", type=number(int, _SEED), default=0, metavar="N", help="of what is drawn (default: 0)")
    add("--cores", type=number(int, _CORES), metavar="N", help="cores to use (default: all)")


def run(arguments: argparse.Namespace) -> int:
    """Race, and print the verdict and the commands.

    Args:
        arguments: Parsed flags.
    """
    from nnunet_uad.choosing.run import PAGE, Request, choose
    from nnunet_uad.common.nnunet import dataset_folder
    from nnunet_uad.study.running.gpus import visible_gpus
    from nnunet_uad.study.running.run import check_snakemake

    check_snakemake()
    require_device(arguments.device)
    name = dataset_folder("nnUNet_preprocessed", arguments.d).name
    output = arguments.o or Path(f"choose_{name}_{arguments.c}")
    cores = arguments.cores or os.cpu_count() or 1
    jobs = {"cuda": max(1, len(visible_gpus(os.environ))), "cpu": cores}.get(arguments.device, 1)
    request = Request(
        dataset=name,
        configuration=arguments.c,
        hours=arguments.hours,
        output=output.resolve(),
        plans=arguments.p,
        arms=tuple(arguments.arms),
        weights=tuple(arguments.weights),
        device=arguments.device,
        seed=arguments.seed,
        cores=cores,
        jobs=jobs,
    )
    choice = choose(request, partial(print, flush=True))
    print(f"\n{choice['verdict'][:1].upper()}{choice['verdict'][1:]}.\n\nThe final model:")
    for command in choice["commands"]:
        print(f"  {command}")
    print("\nThe same for the length that was tried, which is shorter:")
    for command in choice["shorter_commands"]:
        print(f"  {command}")
    print(f"\nMore: {output / PAGE}")
    return 0
