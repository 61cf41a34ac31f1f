"""Anomaly maps, reconstructions, residuals and masks of raw images, in their own geometry.

Images are named as for nnUNetv2_predict (case_0000.nii.gz, case_0001.nii.gz …). Written per case: case_map,
case_reconstruction_0000 …, case_residual_0000 … (z-score units of the preprocessing), case_mask, case_montage.png.
Finished cases are skipped: run it again to continue an interrupted run.

Examples:
    nnunet_uad predict -i IMAGES -o MAPS -d 901 -c 2d -tr nnUNetPretrainerDAE -f 0 --save map mask png
    nnunet_uad predict -i IMAGES -o WITH_RESIDUALS -d 901 -c 2d -tr nnUNetPretrainerDDPM --as-channels
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from nnunet_uad.cli.common import report_failures
from nnunet_uad.cli.model import add_model_arguments, find_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    from nnunet_uad.inference.export import KINDS
    from nnunet_uad.restoration.channel_kinds import CHANNEL_KINDS
    from nnunet_uad.scoring.thresholds import DEFAULT

    add = parser.add_argument
    add("-i", type=Path, required=True, metavar="FOLDER", help="raw images")
    add("-o", type=Path, required=True, metavar="FOLDER", help="where to write")
    add_model_arguments(parser)
    add("--save", nargs="+", default=["map"], choices=KINDS, help="what to write (default: map)")
    add("--threshold", default=DEFAULT, help="for masks: a number, or fpr:0.05 fpr:0.01 fpr:0.001 best as stored")
    add("--score", default="", metavar="SETTINGS", help='another score, e.g. "residual=absolute median_mm=5"')
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
    """Predict; exit status 1 if a case failed."""
    import torch

    from nnunet_uad.common.files import write_json
    from nnunet_uad.common.settings import read_settings, settings_from, settings_to_json
    from nnunet_uad.evaluation.folders import MAPS_RECORD
    from nnunet_uad.inference.export import Exporter
    from nnunet_uad.inference.model import load_restorer, training_cases
    from nnunet_uad.inference.predict import list_cases, predict_cases
    from nnunet_uad.scoring.score_settings import channel_weights, score_settings
    from nnunet_uad.scoring.thresholds import resolve_threshold, stored_thresholds

    trainer_class, folds = find_model(arguments)
    model = folds[0].parent
    restorer, settings = load_restorer(
        trainer_class, folds, arguments.chk, torch.device(arguments.device), not arguments.disable_tta, arguments.seed
    )
    if arguments.as_channels is not None:
        return _write_channels(arguments, restorer, folds)
    settings = score_settings(settings)
    settings = read_settings(type(settings), arguments.score, source="--score", defaults=settings)
    with settings_from("--score"):
        channel_weights(settings.channel_weights, restorer.model.channel_names)
    stored = stored_thresholds(folds, settings_to_json(settings))
    # A mask needs a threshold; a montage outlines it where the model has it.
    wanted = "mask" in arguments.save or ("png" in arguments.save and arguments.threshold in stored)
    threshold = resolve_threshold(arguments.threshold, stored) if wanted else None
    restorer.source(settings)
    if not restorer.restoration.reconstructs and {"reconstruction", "residual"} & set(arguments.save):
        raise ValueError(
            f"{arguments.tr} detects anomalies without restoring the image, so it has no reconstruction "
            "and no residual. Leave them out of --save."
        )
    cases, failed = list_cases(arguments.i, restorer.model.dataset)
    _warn_of_leakage(sorted(set(cases) & training_cases(folds)), arguments.tr)
    arguments.o.mkdir(parents=True, exist_ok=True)
    exporter = Exporter(
        arguments.o,
        tuple(arguments.save),
        restorer.model,
        settings,
        threshold,
    )
    run_record = {
        "model": {"trainer": arguments.tr, "dataset": model.parent.name, "folder": model.name},
        "folds": [f.name for f in folds],
        "checkpoint": arguments.chk,
        "mirroring": restorer.mirror_axes is not None,
        "seed": restorer.seed,
        "score": settings_to_json(settings),
        "thresholds": stored,
        "mask_threshold": threshold,
    }
    _refuse_mixture(arguments.o / MAPS_RECORD, run_record, arguments.overwrite)
    write_json(arguments.o / MAPS_RECORD, run_record)
    todo = {k: v for k, v in cases.items() if arguments.overwrite or not exporter.is_done(k)}
    if len(todo) < len(cases):
        print(f"{len(cases) - len(todo)} of {len(cases)} cases are done already (--overwrite predicts them again).")
    failed |= predict_cases(restorer, exporter, todo, arguments.npp, arguments.nps)
    return report_failures("predicted", failed)


def _write_channels(arguments: argparse.Namespace, restorer: Any, folds: list[Path]) -> int:
    """Images with residual channels, for models trained on a dataset of ``append-residuals``."""
    from nnunet_uad.inference.channels import (
        CHANNELS_RECORD,
        ChannelExporter,
        check_ending,
        check_restores,
        claim_folder,
        file_hash,
    )
    from nnunet_uad.inference.model import training_cases
    from nnunet_uad.inference.predict import list_cases, predict_cases

    ending = restorer.model.file_ending
    check_ending(ending)
    check_restores(restorer, arguments.tr)
    kinds = tuple(arguments.as_channels) or ("signed",)
    cases, failed = list_cases(arguments.i, restorer.model.dataset)
    _warn_of_leakage(sorted(set(cases) & training_cases(folds)), arguments.tr)
    record = {
        "trainer": arguments.tr,
        "kinds": kinds,
        "seed": restorer.seed,
        "mirroring": restorer.mirror_axes is not None,
        "restorers": {f.name: file_hash(f / arguments.chk) for f in folds},
    }
    arguments.o.mkdir(parents=True, exist_ok=True)
    claim_folder(arguments.o / CHANNELS_RECORD, record, [arguments.o], arguments.overwrite)
    exporter = ChannelExporter(arguments.o, cases, kinds, restorer.model, ending)
    todo = {k: v for k, v in cases.items() if not exporter.is_done(k)}
    failed |= predict_cases(restorer, exporter, todo, arguments.npp, arguments.nps)
    return report_failures("written", failed)


def _warn_of_leakage(cases: list[str], trainer: str) -> None:
    if cases:
        print(
            f"LEAKAGE? {len(cases)} case(s) carry identifiers that {trainer} was trained on: {', '.join(cases[:10])}"
            f"{' …' if len(cases) > 10 else ''}. If they are the same scans, their maps do not count as maps of unseen "
            "cases."
        )


def _refuse_mixture(path: Path, record: dict[str, Any], overwrite: bool) -> None:
    """A folder holds the maps of one model and one score, so that an interrupted run can be continued safely."""
    if overwrite or not path.is_file():
        return
    there = json.loads(path.read_text(encoding="utf-8"))
    changed = [k for k in record if k not in ("thresholds",) and there.get(k) != record[k]]
    # What was run without masks may be continued with them.
    changed = [k for k in changed if not (k == "mask_threshold" and None in (there.get(k), record[k]))]
    if changed:
        raise ValueError(
            f"{path.parent} holds maps that were made differently ({', '.join(changed)}). Choose another -o, or "
            "--overwrite."
        )
