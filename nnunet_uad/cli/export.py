"""A model for those who do not have this plugin: plain nnU-Net, or pretrained weights in nnssl's form.

--stock: a fine-tuned model that predicts where this plugin is not installed. Writes a zip for
nnUNetv2_install_pretrained_model_from_zip. Inside, the model belongs to nnUNetTrainer; a model of that name that the
other machine already has for the same dataset would be replaced. What only training needs (an auxiliary
reconstruction's weights, the optimiser's state) is left out, and so are the names of cases. Models with a restorer or
discriminator are refused.

--nnssl: the weights of one fold of a 3D pretrainer, as nnssl and nnU-Net's master branch read them
(nnUNetv2_preprocess_like_nnssl). Writes a folder with checkpoint_final.pth, adaptation_plan.json and config.json, as
their repositories on the Hugging Face Hub hold them. Which cases were trained on is not in it. A folder that holds one
of these files is refused.

Example:
    nnunet_uad export -d 901 -c 2d -tr nnUNetTrainerTAEPretrainedAuxReconstruction -f 0 1 2 3 4 -o MODEL.zip --stock
    nnunet_uad export -d 901 -c 3d_fullres -tr nnUNetPretrainerDAE -f 0 -o FOLDER --nnssl
"""

from __future__ import annotations

import argparse
from pathlib import Path
from shlex import quote

from nnunet_uad.common.nnunet import CHECKPOINT, ModelFolder, dataset_name, required_folder
from nnunet_uad.common.nnunet_files import RESTORE, load_plans


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
    add("-o", type=Path, required=True, metavar="FILE", help="zip to write; with --nnssl a folder")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--stock", action="store_true", help="as a model of nnUNetTrainer")
    add("--keep-names", action="store_true", help="with --stock: leave the names of validation cases in the summaries")
    form.add_argument("--nnssl", action="store_true", help="weights of a pretrainer as a checkpoint of nnssl")


def run(arguments: argparse.Namespace) -> int:
    """Write the zip, or the folder.

    Args:
        arguments: Parsed flags.

    Raises:
        FileNotFoundError: There is no such model.
        ValueError: It is not said for whom, or the model cannot be written so.
    """
    if not arguments.stock and not arguments.nnssl:
        raise ValueError(
            "Say --stock for a model that needs no plugin, or --nnssl for pretrained weights in nnssl's form. A model "
            "that keeps its trainer is exported by nnU-Net: "
            f"nnUNetv2_export_model_to_zip -d {arguments.d} -c {arguments.c} -tr {arguments.tr} "
            f"-f {' '.join(arguments.f)} -o {arguments.o}"
        )
    results = required_folder("nnUNet_results")
    name = dataset_name(results, arguments.d)
    model = ModelFolder(results, name, arguments.tr, arguments.p, arguments.c)
    if not model.path.is_dir():
        present = ", ".join(sorted(p.name for p in model.path.parent.glob("*__*__*"))) or "none"
        raise FileNotFoundError(f"There is no model {model.path}. Models of {name}: {present}.")
    (_write_nnssl if arguments.nnssl else _write_stock)(arguments, model)
    return 0


def _write_stock(arguments: argparse.Namespace, model: ModelFolder) -> None:
    """The zip, and what to do with it."""
    from nnunet_uad.weights.stock import write_stock_model

    arguments.o.parent.mkdir(parents=True, exist_ok=True)
    write_stock_model(model.path, arguments.f, arguments.chk, arguments.o, arguments.keep_names)
    print(f"{arguments.o}: install it with nnUNetv2_install_pretrained_model_from_zip {quote(str(arguments.o))}")


def _write_nnssl(arguments: argparse.Namespace, model: ModelFolder) -> None:
    """The folder, and what to do with it."""
    from nnunet_uad.weights.names import FILE_NAME
    from nnunet_uad.weights.nnssl_form import write_nnssl
    from nnunet_uad.weights.readers import read_weights

    unused = {"-chk": arguments.chk != CHECKPOINT, "--keep-names": arguments.keep_names}
    if any(unused.values()):
        raise ValueError(
            f"{', '.join(flag for flag, given in unused.items() if given)} has no effect with --nnssl, which writes "
            f"{FILE_NAME} and no names: leave it out, or write a model that segments: --stock"
        )
    if len(arguments.f) != 1:
        raise ValueError(f"--nnssl writes the weights of one fold, found -f {' '.join(arguments.f)}. Choose: -f 0")
    if arguments.o.exists() and not arguments.o.is_dir():
        raise ValueError(f"-o expects a folder with --nnssl, found the file {arguments.o}. Choose another name.")
    weights = model.fold(arguments.f[0]) / FILE_NAME
    if not weights.is_file():
        raise FileNotFoundError(
            f"There is no {weights}: --nnssl writes the weights of a pretrainer. Pretrain first: nnUNetv2_train "
            f"{arguments.d} {arguments.c} {arguments.f[0]} -tr nnUNetPretrainer…"
        )
    source = read_weights(weights)
    unread = write_nnssl(source, load_plans(model.path / "plans.json", RESTORE), arguments.o)
    record = source.record
    if record is not None and record.epochs_trained < record.num_epochs:
        done = f"{record.epochs_trained} of {record.num_epochs} epochs"
        unread = (f"the pretraining is unfinished, {done}, of which the form says nothing", *unread)
    for sentence in unread:
        print(f"WARNING: {sentence}")
    checkpoint = quote(str(arguments.o / CHECKPOINT))
    print(f"{arguments.o}: with nnU-Net's master branch, nnUNetv2_preprocess_like_nnssl -pc {checkpoint} …")
