"""Diverse unlabelled cases of a dataset to label next, or with --slices slices of them.

What it gives is diversity, a list and templates: that networks learn more from its choice than from a random one was
not shown (docs/results/selection.md). It takes cases that many unlabelled ones resemble in what the pretrainer sees,
and that no labelled one resembles; among them rather those with an unusual anomaly map and, with -tr-seg, those on
which the folds of the current model disagree. No label is needed. Written: next.csv (rank, case, why), montages/, and
labels/, templates to label in: on the grid of the image, with --slices the ignore label outside the chosen slices, with
--proposals the model's segmentation inside. Run it again to continue after an interruption; templates that are there
are never written over.

Examples:
    nnunet_uad next -d 901 -c 2d -n 5 -tr nnUNetPretrainerDAE
    nnunet_uad next -d 901 -c 2d -n 20 -tr nnUNetPretrainerDAE --slices -tr-seg nnUNetTrainer --proposals -o ROUND_2
"""

from __future__ import annotations

import argparse
from pathlib import Path

from nnunet_uad.cli.common import number, report_failures
from nnunet_uad.cli.model import add_model_arguments, add_named_model, model_folder, model_options
from nnunet_uad.common.nnunet import ModelFolder, dataset_folder, dataset_names, required_folder
from nnunet_uad.selection.names import COUNT, DEFAULT_COUNT, DEFAULT_OUTPUT, DEFAULT_WEIGHT, WEIGHT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags.

    Args:
        parser: Parser of the command.
    """
    add = parser.add_argument
    add_model_arguments(parser)
    add("-n", type=number(int, COUNT), default=DEFAULT_COUNT, metavar="N", help=f"how many (default: {DEFAULT_COUNT})")
    add("-o", type=Path, default=Path(DEFAULT_OUTPUT), metavar="FOLDER", help=f"output (default: {DEFAULT_OUTPUT})")
    add("-i", type=Path, metavar="FOLDER", help="further images without labels, beside the dataset's own")
    add("--slices", action="store_true", help="choose slices instead of whole cases")
    seen = "where its folds disagree"
    add_named_model(parser, "the current supervised model", "-seg", like="the pretrainer", optional=seen)
    add("--proposals", action="store_true", help="fill the templates with that model's segmentation")
    for flag, words in {"anomaly": "an unusual anomaly map", "disagreement": "folds that disagree"}.items():
        add(
            f"--{flag}-weight",
            type=number(float, WEIGHT),
            default=DEFAULT_WEIGHT,
            metavar="W",
            help=f"weight of {words}: counts up to 1 + W times as much (default: {DEFAULT_WEIGHT:g})",
        )


def run(arguments: argparse.Namespace) -> int:
    """Choose; exit status 1 if a case could not be looked at.

    Args:
        arguments: Parsed flags.
    """
    raw = dataset_folder("nnUNet_raw", arguments.d)
    _refuse_without_pretrainer(arguments, raw.name)
    from nnunet_uad.selection.request import NextRequest
    from nnunet_uad.selection.run import label_next

    request = NextRequest(
        **model_options(arguments),
        dataset=raw,
        output=arguments.o,
        images=arguments.i,
        count=arguments.n,
        slices=arguments.slices,
        segmenter=model_folder(arguments, "_seg") if arguments.tr_seg else None,
        segmenter_folds=arguments.f_seg,
        segmenter_checkpoint=arguments.chk_seg,
        proposals=arguments.proposals,
        anomaly_weight=arguments.anomaly_weight,
        disagreement_weight=arguments.disagreement_weight,
    )
    result = label_next(request)
    for one in result.chosen:
        place = "" if one.unit.slice is None else f" slice {one.unit.slice}"
        print(f"{one.rank:4d}  {one.unit.case}{place}")
    print(f"Why, and where the templates are: {result.table}")
    return report_failures("looked at", result.failed)


def _refuse_without_pretrainer(arguments: argparse.Namespace, dataset: str) -> None:
    """A dataset without any result yet is no mistake of its name: it wants a pretrainer.

    Raises:
        FileNotFoundError: Nothing was trained on the dataset.
    """
    results = required_folder("nnUNet_results")
    if not dataset_names(results, arguments.d):
        from nnunet_uad.selection.run import refuse_without_pretrainer

        refuse_without_pretrainer(ModelFolder(results, dataset, arguments.tr, arguments.p, arguments.c))
