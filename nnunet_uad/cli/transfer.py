"""Show what a weight file would give to a network, tensor by tensor, before any training.

Accepts pretrained.safetensors of a pretrainer, nnU-Net's checkpoint_*.pth, and checkpoints of nnssl and AMAES. What is
known of the file comes first, as nnunet_uad weights show prints it. Nothing is written. Exit status 1 if training would
refuse the file.

Example:
    nnunet_uad transfer pretrained.safetensors -d 901 -c 2d_small --dry-run
"""

from __future__ import annotations

import argparse
import json

from nnunet_uad.common.nnunet import dataset_folder
from nnunet_uad.common.nnunet_files import load_dataset_json, load_plans


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags.

    Args:
        parser: Parser of the command.
    """
    parser.add_argument("file", metavar="FILE", help="weights")
    parser.add_argument("-d", required=True, metavar="DATASET", help="dataset number or name")
    parser.add_argument("-c", required=True, metavar="CONFIGURATION", help="configuration of the receiving network")
    parser.add_argument("-p", default="nnUNetPlans", metavar="PLANS", help="plans name (default: nnUNetPlans)")
    parser.add_argument("--encoder-only", action="store_true", help="as with the setting encoder_only=true")
    parser.add_argument("--accept-mismatch", action="store_true", help="as with the setting accept_mismatch=true")
    parser.add_argument("--json", action="store_true", help="print the content of transfer.json instead")
    parser.add_argument("--dry-run", action="store_true", help="accepted for clarity: this command never writes")


def run(arguments: argparse.Namespace) -> int:
    """Build the network of the plans, transfer into it in memory, print the outcome.

    Args:
        arguments: Parsed flags.
    """
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    from nnunet_uad.weights.passport import passport_lines
    from nnunet_uad.weights.readers import read_weights
    from nnunet_uad.weights.suitability import TransferTarget, check_suits
    from nnunet_uad.weights.transfer import transfer

    folder = dataset_folder("nnUNet_preprocessed", arguments.d)
    hint = f"nnUNetv2_plan_and_preprocess -d {arguments.d}"
    plans = PlansManager(load_plans(folder / f"{arguments.p}.json", f"Make it: {hint}"))
    dataset_json = load_dataset_json(folder / "dataset.json", f"Make it: {hint}")
    configuration = plans.get_configuration(arguments.c)
    target = TransferTarget.from_plans(plans, arguments.c, dataset_json)
    source = read_weights(arguments.file)
    if not arguments.json:
        print("\n".join(passport_lines(source)))
    warnings = check_suits(source, target, accept_mismatch=arguments.accept_mismatch)
    network = nnUNetTrainer.build_network_architecture(
        plans,
        configuration,
        len(target.channel_names),
        plans.get_label_manager(dataset_json).num_segmentation_heads,
    )
    parts = ("encoder",) if arguments.encoder_only else ("encoder", "decoder", "other")
    report = transfer(source, network, target.channel_names, parts)
    report.warnings += warnings
    if arguments.json:
        print(json.dumps(report.to_json(), indent=2))
        return 0
    for outcome in report.outcomes:
        shape = "x".join(map(str, outcome.shape)) or "1"
        print(f"{outcome.status:10s}  {outcome.part:7s}  {outcome.name}  {shape}  {outcome.reason}".rstrip())
    print(report.summary().split("\n  ")[0])
    for warning in warnings:
        print(f"WARNING: {warning}")
    return 0
