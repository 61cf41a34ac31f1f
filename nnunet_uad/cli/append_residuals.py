"""Write a raw nnU-Net dataset whose images carry the residual of a restorer as further channels.

Every training case is reconstructed by folds that did not train on it, test images by all folds. The further channels
are marked noNorm in dataset.json, so nnU-Net leaves them as they are; planning, preprocessing and any trainer, the
stock nnUNetTrainer too, then run unchanged. Test images for such a model: nnunet_uad predict --as-channels.
Finished cases are kept: run it again to continue.

Examples:
    nnunet_uad append-residuals -d 901 -o 911 -c 2d -tr nnUNetPretrainerDDPM
    nnUNetv2_plan_and_preprocess -d 911 -c 2d && nnUNetv2_train 911 2d 0
"""

from __future__ import annotations

import argparse
import re

from nnunet_uad.cli.common import report_failures
from nnunet_uad.cli.model import add_model_arguments, model_options
from nnunet_uad.common.nnunet import dataset_name, required_folder
from nnunet_uad.restoration.channel_kinds import CHANNEL_KINDS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags.

    Args:
        parser: Parser of the command.
    """
    add = parser.add_argument
    add("-o", required=True, metavar="DATASET", help="dataset to write, number or DatasetXXX_Name")
    add_model_arguments(parser)
    add("--kinds", nargs="+", default=["signed"], choices=list(CHANNEL_KINDS), help="channels (default: signed)")
    add("--copy", action="store_true", help="copy the images instead of linking them")
    add("--overwrite", action="store_true", help="replace channels of another restorer")


def run(arguments: argparse.Namespace) -> int:
    """Write the dataset; exit status 1 if a case failed.

    Args:
        arguments: Parsed flags.
    """
    from nnunet_uad.inference.append_residuals import AppendRequest, append_residuals

    raw = required_folder("nnUNet_raw")
    source = raw / dataset_name(raw, arguments.d)
    target = raw / _target_name(arguments.o, source.name)
    request = AppendRequest(
        **model_options(arguments),
        source=source,
        target=target,
        kinds=arguments.kinds,
        copy=arguments.copy,
        overwrite=arguments.overwrite,
    )
    result = append_residuals(request)
    if not result.failed:
        print(f"Done: {target}\nGo on: nnUNetv2_plan_and_preprocess -d {int(target.name[7:10])}")
    return report_failures("written", result.failed)


def _target_name(given: str, source: str) -> str:
    """DatasetXXX_Name of the dataset to write.

    Raises:
        ValueError: neither a number nor such a name, or the source itself.
    """
    name = f"Dataset{int(given):03d}_{source.split('_', 1)[1]}Residual" if given.isdigit() else given
    if not re.fullmatch(r"Dataset\d{3}_\w+", name) or name[:10] == source[:10]:
        raise ValueError(f"-o expects a number other than that of {source}, or DatasetXXX_Name, found {given!r}.")
    return name
