"""Preprocess unlabelled, healthy or mixed datasets with another dataset's plans.

nnU-Net preprocesses only fully labelled datasets. This command takes the plans of one dataset (its spacing,
normalisation, patch and network) and nnU-Net's own preprocessor, and leaves a dataset that nnUNetv2_train accepts
with any nnUNetPretrainer…. Finished cases are kept: run it again to continue.

Examples:
    nnunet_uad preprocess -d 903 --like 901 -c 2d
    nnunet_uad preprocess -d 903 --like 901 -c 2d --channels FLAIR
    nnunet_uad preprocess -d 901 903 --like 901 -c 2d --channels FLAIR -o Dataset907_TumourAndUnlabelled
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from nnunet_uad.cli.common import PROCESSES, default_processes, number, report_failures
from nnunet_uad.common.nnunet import dataset_folder, required_folder
from nnunet_uad.common.schema import shown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags.

    Args:
        parser: Parser of the command.
    """
    parser.add_argument("-d", nargs="+", required=True, metavar="DATASET", help="raw dataset(s), numbers or names")
    parser.add_argument("--like", required=True, metavar="DATASET", help="preprocessed dataset whose plans are used")
    parser.add_argument("-p", default="nnUNetPlans", metavar="PLANS", help="plans name (default: nnUNetPlans)")
    parser.add_argument("-c", nargs="+", required=True, metavar="CONFIGURATION", help="configuration(s)")
    parser.add_argument("--channels", nargs="+", default=[], metavar="NAME", help="use only these channels, by name")
    parser.add_argument("-o", metavar="DATASET", help="name of the result, DatasetXXX_Name (needed for several -d)")
    parser.add_argument(
        "-np", type=number(int, PROCESSES), default=default_processes(), metavar="N", help="cases at a time"
    )


def run(arguments: argparse.Namespace) -> int:
    """Preprocess; exit status 1 if a case failed.

    Args:
        arguments: Parsed flags.
    """
    from nnunet_uad.data.preprocess import CohortRequest, preprocess_cohort

    sources = [dataset_folder("nnUNet_raw", d) for d in arguments.d]
    if arguments.o is None and len(sources) > 1:
        raise ValueError("Several datasets become one: name it with -o DatasetXXX_Name.")
    name = arguments.o or sources[0].name
    _check_name(name, required_folder("nnUNet_preprocessed"))
    target = required_folder("nnUNet_preprocessed") / name
    request = CohortRequest(
        sources=sources,
        like=dataset_folder("nnUNet_preprocessed", arguments.like),
        plans=arguments.p,
        configurations=arguments.c,
        target=target,
        channels=arguments.channels,
        processes=arguments.np,
    )
    failed = preprocess_cohort(request)
    if failed:
        return report_failures("preprocessed", failed)
    number = name[len("Dataset") :].split("_")[0]
    fold = "0" if (target / "splits_final.json").exists() else "all"
    print(f"Done: {target}\nPretrain on it: nnUNetv2_train {number} {arguments.c[0]} {fold} -tr nnUNetPretrainerDAE")
    return 0


def _check_name(name: str, root: Path) -> None:
    """nnU-Net finds datasets by ``DatasetXXX_Name``, the number being theirs alone."""
    match = re.fullmatch(r"Dataset([0-9]{3})_[^/\\*?\x00-\x1f]{0,200}[^/\\*?\s]", name)
    if match is None:
        raise ValueError(f"A dataset is named DatasetXXX_Name with three digits, found {shown(name)}.")
    others = [p.name for p in root.glob(f"Dataset{match[1]}_*") if p.name != name]
    if others:
        raise ValueError(f"The number {match[1]} is taken by {others[0]}; choose another for -o.")
