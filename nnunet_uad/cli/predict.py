"""Anomaly maps, reconstructions, residuals and masks of raw images, in their own geometry.

Images are named as for nnUNetv2_predict (case_0000.nii.gz, case_0001.nii.gz …). Written per case: case_map,
case_reconstruction_0000 …, case_residual_0000 … (z-score units of the preprocessing), case_mask, case_montage.png.
Finished cases are skipped: run it again to continue an interrupted run.

Example:
    nnunet_uad predict -i IMAGES -o MAPS -d 901 -c 2d -tr nnUNetPretrainerDAE -f 0 --save map mask png
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from nnunet_uad.cli.common import dataset_name, default_processes, report_failures, required_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    from nnunet_uad.inference.export import KINDS
    from nnunet_uad.scoring.thresholds import DEFAULT

    processes = min(3, default_processes())
    add = parser.add_argument
    add("-i", type=Path, required=True, metavar="FOLDER", help="raw images")
    add("-o", type=Path, required=True, metavar="FOLDER", help="where to write")
    add("-d", required=True, metavar="DATASET", help="dataset of the model, number or name")
    add("-c", required=True, metavar="CONFIGURATION", help="configuration of the model")
    add("-tr", required=True, metavar="TRAINER", help="the pretrainer, by its full name")
    add("-p", default="nnUNetPlans", metavar="PLANS", help="plans name (default: nnUNetPlans)")
    add("-f", nargs="+", default=[], metavar="FOLD", help="folds, averaged (default: all that are trained)")
    add("-chk", default="checkpoint_final.pth", metavar="FILE", help="checkpoint (default: checkpoint_final.pth)")
    add("--save", nargs="+", default=["map"], choices=KINDS, help="what to write (default: map)")
    add("--threshold", default=DEFAULT, help="for masks: a number, or fpr:0.05 fpr:0.01 fpr:0.001 best as stored")
    add("--score", default="", metavar="SETTINGS", help='another score, e.g. "residual=absolute median_mm=5"')
    add("--seed", type=int, help="of what is drawn (default: the training's)")
    add("--disable_tta", action="store_true", help="no mirroring: faster")
    add("--overwrite", action="store_true", help="predict finished cases again")
    add("-npp", type=int, default=processes, metavar="N", help=f"processes for preprocessing (default: {processes})")
    add("-nps", type=int, default=processes, metavar="N", help=f"processes for writing (default: {processes})")
    add("-device", default="cuda", choices=("cuda", "cpu", "mps"), help="default: cuda")


def run(arguments: argparse.Namespace) -> int:
    """Predict; exit status 1 if a case failed."""
    import torch

    from nnunet_uad.inference.export import Exporter
    from nnunet_uad.inference.model import find_folds, load_restorer, training_cases
    from nnunet_uad.inference.predict import list_cases, predict_cases
    from nnunet_uad.metrics.folders import MAPS_RECORD
    from nnunet_uad.scoring.settings import channel_weights, score_settings
    from nnunet_uad.scoring.thresholds import resolve_threshold, stored_thresholds
    from nnunet_uad.training.atomic import write_json
    from nnunet_uad.training.settings import read_settings, settings_to_json

    trainer_class = _pretrainer(arguments.tr)
    results = required_folder("nnUNet_results")
    model = results / dataset_name(results, arguments.d) / f"{arguments.tr}__{arguments.p}__{arguments.c}"
    folds = find_folds(model, arguments.chk, arguments.f)
    restorer, settings = load_restorer(
        trainer_class, folds, arguments.chk, torch.device(arguments.device), not arguments.disable_tta, arguments.seed
    )
    settings = score_settings(settings)
    settings = read_settings(type(settings), arguments.score, defaults=settings)
    channel_weights(settings.channel_weights, list(restorer.dataset_json["channel_names"].values()))
    stored = stored_thresholds(folds, settings_to_json(settings))
    # A mask needs a threshold; a montage outlines it where the model has it.
    wanted = "mask" in arguments.save or ("png" in arguments.save and arguments.threshold in stored)
    threshold = resolve_threshold(arguments.threshold, stored) if wanted else None
    if restorer.task.detects and {"reconstruction", "residual"} & set(arguments.save):
        raise ValueError(
            f"{arguments.tr} detects anomalies without restoring the image, so it has no reconstruction "
            "and no residual. Leave them out of --save."
        )
    cases, failed = list_cases(arguments.i, restorer.dataset_json)
    _warn_of_leakage(sorted(set(cases) & training_cases(folds)), arguments.tr)
    arguments.o.mkdir(parents=True, exist_ok=True)
    exporter = Exporter(
        arguments.o,
        tuple(arguments.save),
        restorer.plans_manager,
        restorer.configuration_manager,
        restorer.dataset_json,
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


def _pretrainer(name: str) -> Any:
    """The trainer class, which must be a pretrainer.

    Raises:
        ValueError: no trainer of this plugin, or one that segments.
    """
    from nnunet_uad.plugin import nnunet_uad_trainers

    try:
        trainer_class = getattr(nnunet_uad_trainers, name)
    except AttributeError:
        trainer_class = None
    if trainer_class is None or not hasattr(trainer_class, "task_class"):
        pretrainers = [n for n in nnunet_uad_trainers.__all__ if n.startswith("nnUNetPretrainer")]
        raise ValueError(
            f"-tr expects a pretrainer, found {name!r}. Pretrainers: {', '.join(pretrainers)}, each also with "
            "_<N>epochs. Models that segment are for nnUNetv2_predict."
        )
    return trainer_class


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
