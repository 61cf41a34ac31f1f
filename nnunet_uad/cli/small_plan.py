r"""Add a smaller configuration to the plans of a dataset, or the one that a weight file wants.

With --like, network, spacing, normalisation, patch and batch are those of the file, as far as it says; --spacing,
--patch and --batch replace them. What still differs is printed.

Example:
    nnunet_uad small-plan -d 901 -c 2d --spacing 2 --patch 96 96 \
        --features 16 32 64 128 128 --batch 12 --name 2d_small
    nnUNetv2_preprocess -d 901 -c 2d_small
    nnunet_uad small-plan -d 901 -c 3d_fullres --like openmind.pth --name 3d_openmind
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from nnunet_uad.cli.common import number
from nnunet_uad.common.bounds import BATCH_SIZE, PATCH_SIZE, VOXEL_SIZE, WIDTH
from nnunet_uad.common.nnunet import dataset_folder
from nnunet_uad.common.nnunet_files import load_dataset_json, load_plans


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags.

    Args:
        parser: Parser of the command.
    """
    parser.add_argument("-d", required=True, metavar="DATASET", help="dataset number or name")
    parser.add_argument("-c", required=True, metavar="CONFIGURATION", help="configuration to inherit from")
    parser.add_argument("-p", default="nnUNetPlans", metavar="PLANS", help="plans name (default: nnUNetPlans)")
    spacing, patch, width = number(float, VOXEL_SIZE), number(int, PATCH_SIZE), number(int, WIDTH)
    parser.add_argument("--like", type=Path, metavar="FILE", help="weights that the configuration is made after")
    parser.add_argument("--spacing", type=spacing, nargs="+", help="mm: one value, or one per axis")
    parser.add_argument("--patch", type=patch, nargs="+", help="voxels per axis")
    parser.add_argument("--features", type=width, nargs="+", help="channels per stage; not with --like")
    parser.add_argument("--batch", type=number(int, BATCH_SIZE), help="patches per step")
    parser.add_argument("--name", required=True, help="name of the new configuration, e.g. 2d_small")
    parser.add_argument("--overwrite", action="store_true", help="replace a different configuration of that name")


def run(arguments: argparse.Namespace) -> int:
    """Write the configuration into the plans file, atomically.

    Args:
        arguments: Parsed flags.

    Raises:
        ValueError: A flag is missing, or too many; the configuration cannot be made.
    """
    from nnunet_uad.data.small_plan import add_configuration

    sizes = {f"--{name}": getattr(arguments, name) for name in ("spacing", "patch", "features", "batch")}
    missing = [flag for flag, value in sizes.items() if value is None]
    if arguments.like is None and missing:
        raise ValueError(f"Expected {', '.join(sizes)}, or --like FILE; {', '.join(missing)} missing.")
    if arguments.like is not None and arguments.features:
        raise ValueError("--like FILE takes the network of the file, --features another: leave one of them out.")
    folder = dataset_folder("nnUNet_preprocessed", arguments.d)
    path = folder / f"{arguments.p}.json"
    plans = load_plans(path, f"Make it: nnUNetv2_plan_and_preprocess -d {arguments.d}")
    entry, differences = (_like if arguments.like else _small)(arguments, plans, path)
    add_configuration(path, arguments.name, entry, arguments.overwrite)
    like = f", made after {arguments.like}" if arguments.like else ""
    print(f"{path}: configuration {arguments.name} inherits from {arguments.c}{like}.")
    for difference in differences:
        print(f"  differs: {difference}")
    print("Next:")
    print(f"  nnUNetv2_preprocess -d {arguments.d} -c {arguments.name} -p {arguments.p}")
    if arguments.like:
        print(f"  nnunet_uad transfer {arguments.like} -d {arguments.d} -c {arguments.name} -p {arguments.p} --dry-run")
    return 0


def _small(arguments: argparse.Namespace, plans: dict[str, Any], path: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The configuration that the flags describe."""
    from nnunet_uad.data.small_plan import small_configuration

    sizes = (arguments.spacing, arguments.patch, arguments.features, arguments.batch)
    return small_configuration(plans, arguments.c, arguments.name, *sizes, str(path)), ()


def _like(arguments: argparse.Namespace, plans: dict[str, Any], path: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The configuration that the file describes, and what differs."""
    from nnunet_uad.data.like import configuration_like
    from nnunet_uad.weights.readers import read_weights

    like = configuration_like(
        read_weights(arguments.like),
        plans,
        load_dataset_json(path.parent / "dataset.json", f"Make it: nnUNetv2_plan_and_preprocess -d {arguments.d}"),
        arguments.c,
        arguments.name,
        arguments.spacing or (),
        arguments.patch or (),
        arguments.batch or 0,
        str(path),
    )
    return like.entry, like.differences
