"""Is a scan fit for the model? Before anything is predicted, compare it with the training scans.

Checked are files, channels (missing, twice, swapped), voxel size and size of the head, orientation of the voxel array,
anatomy, skull, intensities, noise and blur, and drift of brightness. Each check has a number, the range of the training
scans, and a sentence that says what is likely wrong and what to do. All together call at most --rate of the scans unfit
that are like the training's. The reference of the training scans is made once and kept in nnUNet_preprocessed; it holds
no names of cases.

With a pretrainer (-tr-map) the middle of each scan's anomaly map is compared with those of its validation; with a model
that segments (-tr), its folds segment every scan, and their agreement is compared with their validation Dice, of which
--rate promises nothing. Both take numbered folds, not all, and write into -o;
a finished map or segmentation is kept: run it again to continue.

Exit status: 0 all scans are fit, 3 at least one is unfit, 1 a scan could not be checked, or wrong input.

Examples:
    nnunet_uad check -i IMAGES -d 901 -c 2d
    nnunet_uad check -i IMAGES -d 901 -c 2d -o CHECKED && nnUNetv2_predict -i IMAGES -o PREDICTIONS -d 901 -c 2d
    nnunet_uad check -i IMAGES -d 901 -c 2d --fold 0 --rate 0.01
    nnunet_uad check -i IMAGES -d 901 -c 2d -o CHECKED -tr-map nnUNetPretrainerDAE -tr nnUNetTrainer -f 0 1 2 3 4
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from nnunet_uad.cli.common import number, report_failures
from nnunet_uad.cli.model import add_run_arguments, model_folder, run_options
from nnunet_uad.common.bounds import Bounds
from nnunet_uad.common.nnunet import CHECKPOINT
from nnunet_uad.quality.names import DEFAULT_RATE, RATE, UNFIT_STATUS

_FOLD = Bounds(0, 10**6)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags.

    Args:
        parser: Parser of the command.
    """
    add = parser.add_argument
    add("-i", type=Path, required=True, metavar="FOLDER", help="raw images")
    add("-d", required=True, metavar="DATASET", help="dataset of the model, number or name")
    add("-c", required=True, metavar="CONFIGURATION", help="configuration of the model")
    add("-p", default="nnUNetPlans", metavar="PLANS", help="plans name (default: nnUNetPlans)")
    add("-o", type=Path, metavar="FOLDER", help="where to write table (CSV) and page (default: only the screen)")
    add("--rate", type=number(float, RATE), default=DEFAULT_RATE, help=f"of false alarms (default: {DEFAULT_RATE})")
    text = "compare with the training cases of this fold (default: with all cases of the dataset)"
    add("--fold", type=number(int, _FOLD), metavar="N", help=text)
    add("--reference", type=Path, metavar="FILE", help="a reference that was made elsewhere: no training scans needed")
    add("-tr-map", metavar="TRAINER", help="also judge the anomaly maps of this pretrainer, by its full name")
    add("-f-map", nargs="+", default=[], metavar="FOLD", help="its folds (default: all that are trained)")
    add("-tr", metavar="TRAINER", help="also compare the folds of this model that segments")
    add("-f", nargs="+", default=[], metavar="FOLD", help="its folds, two or more (default: all that are trained)")
    add_run_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Check; exit status 3 if a scan is unfit, 1 if one could not be checked.

    Args:
        arguments: Parsed flags.
    """
    from nnunet_uad.quality.run import CheckRequest, check_folder
    from nnunet_uad.quality.tables import screen_lines
    from nnunet_uad.quality.training_scans import TrainingScans

    given = (arguments.d, arguments.p, arguments.c, arguments.fold, arguments.npp)
    request = CheckRequest(
        images=arguments.i,
        training=TrainingScans.named(*given),
        reference=arguments.reference,
        output=arguments.o,
        rate=arguments.rate,
        processes=arguments.npp,
        **_models(arguments),
    )
    result = check_folder(request)
    for line in screen_lines(result.findings):
        print(line)
    print(
        f"{len(result.unfit)} of {len(result.findings)} scan(s) unfit." + (f" Page: {result.page}" * bool(result.page))
    )
    failed = report_failures("checked", result.failed)
    return failed or (UNFIT_STATUS if result.unfit else 0)


def _models(arguments: argparse.Namespace) -> dict[str, Any]:
    """The fields of a request that name models, none where none is named.

    Raises:
        ValueError: A trainer is not of its kind, or there is no such dataset.
        RuntimeError: nnUNet_results is not set.
    """
    from nnunet_uad.inference.model import ModelRequest, pretrainer_class
    from nnunet_uad.screening.models import SupervisedModel

    if not (arguments.tr or arguments.tr_map):
        return {}
    named: dict[str, Any] = {"device": arguments.device, "mirroring": not arguments.disable_tta}
    if arguments.tr_map:
        pretrainer_class(arguments.tr_map)
        options = run_options(arguments)
        named["pretrainer"] = ModelRequest(model=model_folder(arguments, "_map"), folds=arguments.f_map, **options)
    if arguments.tr:
        named["known"] = SupervisedModel(model_folder(arguments), arguments.f, CHECKPOINT)
    return named
