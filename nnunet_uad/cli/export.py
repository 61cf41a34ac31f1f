"""A fine-tuned model as plain nnU-Net: predicts where this plugin is not installed.

Writes a zip for nnUNetv2_install_pretrained_model_from_zip. Inside, the model belongs to nnUNetTrainer; a model of that
name that the other machine already has for the same dataset would be replaced. What only training needs (an auxiliary
reconstruction's weights, the optimiser's state) is left out. Models with a restorer or discriminator are refused.

Example:
    nnunet_uad export -d 901 -c 2d -tr nnUNetTrainerTAEPretrainedAuxReconstruction -f 0 1 2 3 4 -o MODEL.zip --stock
"""

from __future__ import annotations

import argparse
from pathlib import Path
from shlex import quote

from nnunet_uad.common.nnunet import CHECKPOINT, ModelFolder, dataset_name, required_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags.

    Args:
        parser: Parser of the command.
    """
    add = parser.add_argument
    add("-d", required=True, metavar="DATASET", help="number or name")
    add("-c", required=True, metavar="CONFIGURATION")
    add("-tr", required=True, metavar="TRAINER", help="by its full name, _<N>epochs included")
    add("-p", default="nnUNetPlans", metavar="PLANS", help="plans name (default: nnUNetPlans)")
    add("-f", nargs="+", default=["0", "1", "2", "3", "4"], metavar="FOLD", help="default: 0 1 2 3 4")
    add("-chk", default=CHECKPOINT, metavar="FILE", help=f"checkpoint (default: {CHECKPOINT})")
    add("-o", type=Path, required=True, metavar="ZIP", help="file to write")
    add("--stock", action="store_true", help="as a model of nnUNetTrainer")


def run(arguments: argparse.Namespace) -> int:
    """Write the zip.

    Args:
        arguments: Parsed flags.
    """
    if not arguments.stock:
        raise ValueError(
            "Say --stock for a model that needs no plugin. A model that keeps its trainer is exported by nnU-Net: "
            f"nnUNetv2_export_model_to_zip -d {arguments.d} -c {arguments.c} -tr {arguments.tr} -o {arguments.o}"
        )
    from nnunet_uad.weights.stock import write_stock_model

    results = required_folder("nnUNet_results")
    name = dataset_name(results, arguments.d)
    model = ModelFolder(results, name, arguments.tr, arguments.p, arguments.c).path
    if not model.is_dir():
        present = ", ".join(sorted(p.name for p in model.parent.glob("*__*__*"))) or "none"
        raise FileNotFoundError(f"There is no model {model}. Models of {name}: {present}.")
    arguments.o.parent.mkdir(parents=True, exist_ok=True)
    write_stock_model(model, arguments.f, arguments.chk, arguments.o)
    print(f"{arguments.o}: install it with nnUNetv2_install_pretrained_model_from_zip {quote(str(arguments.o))}")
    return 0
