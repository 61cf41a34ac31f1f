r"""Add a smaller configuration to the plans of a dataset.

Example:
    nnunet_uad small-plan -d 901 -c 2d --spacing 2 --patch 96 96 \\
        --features 16 32 64 128 128 --batch 12 --name 2d_small
    nnUNetv2_preprocess -d 901 -c 2d_small
"""

from __future__ import annotations

import argparse

from nnunet_uad.cli.common import number
from nnunet_uad.common.bounds import BATCH_SIZE, PATCH_SIZE, VOXEL_SIZE, WIDTH
from nnunet_uad.common.nnunet import dataset_folder
from nnunet_uad.common.nnunet_files import load_plans


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags.

    Args:
        parser: Parser of the command.
    """
    parser.add_argument("-d", required=True, metavar="DATASET", help="dataset number or name")
    parser.add_argument("-c", required=True, metavar="CONFIGURATION", help="configuration to inherit from")
    parser.add_argument("-p", default="nnUNetPlans", metavar="PLANS", help="plans name (default: nnUNetPlans)")
    spacing, patch, width = number(float, VOXEL_SIZE), number(int, PATCH_SIZE), number(int, WIDTH)
    parser.add_argument("--spacing", type=spacing, nargs="+", required=True, help="mm: one value, or one per axis")
    parser.add_argument("--patch", type=patch, nargs="+", required=True, help="voxels per axis")
    parser.add_argument("--features", type=width, nargs="+", required=True, help="channels per stage")
    parser.add_argument("--batch", type=number(int, BATCH_SIZE), required=True, help="patches per step")
    parser.add_argument("--name", required=True, help="name of the new configuration, e.g. 2d_small")
    parser.add_argument("--overwrite", action="store_true", help="replace a different configuration of that name")


def run(arguments: argparse.Namespace) -> int:
    """Write the configuration into the plans file, atomically.

    Args:
        arguments: Parsed flags.
    """
    from nnunet_uad.data.small_plan import add_configuration, small_configuration

    folder = dataset_folder("nnUNet_preprocessed", arguments.d)
    path = folder / f"{arguments.p}.json"
    plans = load_plans(path, f"Make it: nnUNetv2_plan_and_preprocess -d {arguments.d}")
    entry = small_configuration(
        plans,
        arguments.c,
        arguments.name,
        arguments.spacing,
        arguments.patch,
        arguments.features,
        arguments.batch,
        str(path),
    )
    add_configuration(path, arguments.name, entry, arguments.overwrite)
    print(f"{path}: configuration {arguments.name} inherits from {arguments.c}. Next:")
    print(f"  nnUNetv2_preprocess -d {arguments.d} -c {arguments.name} -p {arguments.p}")
    return 0
