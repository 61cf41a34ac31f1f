"""Anomaly maps, reconstructions, residuals and masks of raw images, in their own geometry.

Images are named as for nnUNetv2_predict (case_0000.nii.gz, case_0001.nii.gz …). Written per case: case_map,
case_reconstruction_0000 …, case_residual_0000 … (z-score units of the preprocessing), case_mask, case_montage.png; with
--overlay case.mrml for 3D Slicer, and labels.txt for ITK-SNAP.
Finished cases are skipped: run it again to continue an interrupted run.

Examples:
    nnunet_uad predict -i IMAGES -o MAPS -d 901 -c 2d -tr nnUNetPretrainerDAE -f 0 --save map mask png
    nnunet_uad predict -i IMAGES -o WITH_RESIDUALS -d 901 -c 2d -tr nnUNetPretrainerDDPM --as-channels
"""

from __future__ import annotations

import argparse
from pathlib import Path

from nnunet_uad.cli.common import report_failures
from nnunet_uad.cli.model import add_model_arguments, model_options
from nnunet_uad.inference.names import DEFAULT_THRESHOLD, KINDS
from nnunet_uad.restoration.channel_kinds import CHANNEL_KINDS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags.

    Args:
        parser: Parser of the command.
    """
    add = parser.add_argument
    add("-i", type=Path, required=True, metavar="FOLDER", help="raw images")
    add("-o", type=Path, required=True, metavar="FOLDER", help="where to write")
    add_model_arguments(parser)
    add("--save", nargs="+", default=["map"], choices=KINDS, help="what to write (default: map)")
    add(
        "--threshold",
        default=DEFAULT_THRESHOLD,
        help="for masks: a number, or fpr:0.05 fpr:0.01 fpr:0.001 best as stored",
    )
    add("--score", default="", metavar="SETTINGS", help='another score, e.g. "residual=absolute median_mm=5"')
    add(
        "--overlay",
        action="store_true",
        help="for 3D Slicer and ITK-SNAP: a scene per case and a file of labels (adds map and mask to --save)",
    )
    add("--overwrite", action="store_true", help="predict finished cases again")
    add(
        "--as-channels",
        nargs="*",
        choices=list(CHANNEL_KINDS),
        metavar="KIND",
        help="write the images with residual channels, as append-residuals does, for models trained on its datasets: "
        f"{', '.join(CHANNEL_KINDS)} (default: signed)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Predict; exit status 1 if a case failed.

    Args:
        arguments: Parsed flags.
    """
    common = {"images": arguments.i, "output": arguments.o, "overwrite": arguments.overwrite}
    if arguments.as_channels is not None:
        from nnunet_uad.inference.append_residuals import ChannelsRequest, write_channels

        if arguments.overlay:
            raise ValueError("--as-channels writes images to train on, without maps: leave out --overlay.")
        kinds = tuple(arguments.as_channels) or ("signed",)
        result = write_channels(ChannelsRequest(**model_options(arguments), **common, kinds=kinds))
        return report_failures("written", result.failed)
    from nnunet_uad.inference.predict import PredictRequest, predict_folder

    request = PredictRequest(
        **model_options(arguments),
        **common,
        save=arguments.save,
        threshold=arguments.threshold,
        score=arguments.score,
        overlay=arguments.overlay,
    )
    return report_failures("predicted", predict_folder(request).failed)
