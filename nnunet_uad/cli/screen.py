"""Known and unknown in one answer: the supervised segmentation, and what is anomalous but not explained by it.

The threshold of the anomaly map promises a rate of false positives, measured on healthy voxels of the cases that both
models were validated on, and checked on cases left out. Written per case: case (the segmentation, as nnUNetv2_predict
writes it), case_unknown (unknown findings, numbered), case_map, case_combined (one score for both), case_montage.png;
for all: findings.csv, cases.csv, calibration.json, screen.json. Finished cases are skipped: run it again to continue.

Examples:
    nnunet_uad screen -i IMAGES -o SCREENED -d 901 -c 2d -tr nnUNetTrainer -f 0 -tr-map nnUNetPretrainerDAE
    nnunet_uad screen -i IMAGES -o SCREENED -d 901 -c 3d_fullres -tr nnUNetTrainer -tr-map nnUNetPretrainerDDPM
        -c-map 2d --fpr 0.001 --min-mm3 50 --save segmentation unknown png
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from nnunet_uad.cli.common import number, report_failures
from nnunet_uad.cli.model import add_named_model, add_run_arguments, model_folder, run_options
from nnunet_uad.screening.names import (
    DEFAULT_MARGIN_MM,
    DEFAULT_MIN_MM3,
    DEFAULT_RATE,
    KINDS,
    MARGIN,
    RATE,
    VOLUME,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags.

    Args:
        parser: Parser of the command.
    """
    add = parser.add_argument
    add("-i", type=Path, required=True, metavar="FOLDER", help="raw images")
    add("-o", type=Path, required=True, metavar="FOLDER", help="where to write")
    add_named_model(parser, "the supervised model")
    add_named_model(parser, "the pretrainer", "-map", like="the supervised model")
    add("--fpr", type=number(float, RATE), default=DEFAULT_RATE, help=f"promised rate (default: {DEFAULT_RATE})")
    add(
        "--margin-mm",
        type=number(float, MARGIN),
        default=DEFAULT_MARGIN_MM,
        metavar="MM",
        help=f"distance around the segmentation that it explains (default: {DEFAULT_MARGIN_MM:g})",
    )
    add(
        "--min-mm3",
        type=number(float, VOLUME),
        default=DEFAULT_MIN_MM3,
        metavar="MM3",
        help=f"least volume of an unknown finding (default: {DEFAULT_MIN_MM3:g})",
    )
    add("--score", default="", metavar="SETTINGS", help="another score of the map that the validation has maps of")
    add("--labels", type=Path, metavar="FOLDER", help="labels of the validation cases (default: the dataset's)")
    add("--save", nargs="+", default=list(KINDS), choices=KINDS, help="what to write (default: all)")
    add("--overwrite", action="store_true", help="delete what was screened there, and screen all again")
    add_run_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Screen; exit status 1 if a case failed.

    Args:
        arguments: Parsed flags.
    """
    from nnunet_uad.screening.request import ScreenRequest
    from nnunet_uad.screening.run import screen_folder

    request = ScreenRequest(
        images=arguments.i,
        output=arguments.o,
        **_models(arguments),
        fpr=arguments.fpr,
        margin_mm=arguments.margin_mm,
        min_mm3=arguments.min_mm3,
        score=arguments.score,
        labels=arguments.labels,
        save=arguments.save,
        overwrite=arguments.overwrite,
        **run_options(arguments),
    )
    result = screen_folder(request)
    print(f"Findings: {result.findings} (threshold of the map: {result.threshold:.4g})")
    return report_failures("screened", result.failed)


def _models(arguments: argparse.Namespace) -> dict[str, Any]:
    """The fields of a request that name the models.

    Raises:
        ValueError: A trainer is not of its kind, or there is no such dataset.
        RuntimeError: nnUNet_results is not set.
    """
    from nnunet_uad.inference.model import pretrainer_class

    pretrainer_class(arguments.tr_map)
    return {
        "model": model_folder(arguments),
        "folds": arguments.f,
        "checkpoint": arguments.chk,
        "map_model": model_folder(arguments, "_map"),
        "map_folds": arguments.f_map,
        "map_checkpoint": arguments.chk_map,
    }
