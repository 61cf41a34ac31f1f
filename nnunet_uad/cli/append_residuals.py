"""Write a raw nnU-Net dataset whose images carry the residual of a restorer as further channels.

Every training case is restored by folds that did not train on it, test images by all folds. The further channels are
marked noNorm in dataset.json, so nnU-Net leaves them as they are; planning, preprocessing and any trainer, the stock
nnUNetTrainer too, then run unchanged. Test images for such a model: nnunet_uad predict --as-channels.
Finished cases are kept: run it again to continue.

Examples:
    nnunet_uad append-residuals -d 901 -o 911 -c 2d -tr nnUNetPretrainerDDPM
    nnUNetv2_plan_and_preprocess -d 911 -c 2d && nnUNetv2_train 911 2d 0
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

from nnunet_uad.cli.common import report_failures
from nnunet_uad.cli.model import add_model_arguments, find_model
from nnunet_uad.common.nnunet import channel_names, dataset_name, required_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    from nnunet_uad.restoration.channel_kinds import CHANNEL_KINDS

    add = parser.add_argument
    add("-o", required=True, metavar="DATASET", help="dataset to write, number or DatasetXXX_Name")
    add_model_arguments(parser)
    add("--kinds", nargs="+", default=["signed"], choices=list(CHANNEL_KINDS), help="channels (default: signed)")
    add("--copy", action="store_true", help="copy the images instead of linking them")
    add("--overwrite", action="store_true", help="replace channels of another restorer")


def run(arguments: argparse.Namespace) -> int:
    """Write the dataset; exit status 1 if a case failed."""
    import torch

    from nnunet_uad.common.files import write_json
    from nnunet_uad.inference.channels import (
        CHANNELS_RECORD,
        check_ending,
        claim_folder,
        extended_dataset_json,
        file_hash,
        place_file,
    )
    from nnunet_uad.inference.predict import list_cases

    raw = required_folder("nnUNet_raw")
    source = raw / dataset_name(raw, arguments.d)
    target = raw / _target_name(arguments.o, source.name)
    dataset_json = json.loads((source / "dataset.json").read_text(encoding="utf-8"))
    check_ending(dataset_json["file_ending"])
    trainer_class, folds = find_model(arguments)
    training, failed = list_cases(source / "imagesTr", dataset_json)
    restorers = _unseen_folds(training, folds)
    test: dict[str, list[str]] = {}
    if (source / "imagesTs").is_dir() and any((source / "imagesTs").iterdir()):
        test, failed_test = list_cases(source / "imagesTs", dataset_json)
        failed |= failed_test
    record = {
        "source": source.name,
        "trainer": arguments.tr,
        "configuration": arguments.c,
        "plans": arguments.p,
        "kinds": arguments.kinds,
        "seed": arguments.seed,
        "mirroring": not arguments.disable_tta,
        "restorers": {f.name: file_hash(f / arguments.chk) for f in folds},
        "restored_by": {case: [f.name for f in chosen] for case, chosen in restorers.items()},
    }
    target.mkdir(parents=True, exist_ok=True)
    images = [target / "imagesTr", target / "imagesTs"]
    claim_folder(target / CHANNELS_RECORD, record, images, arguments.overwrite)
    # Gone until all is done: nnU-Net takes a folder with dataset.json for a finished dataset.
    (target / "dataset.json").unlink(missing_ok=True)
    device = torch.device(arguments.device)
    groups: dict[tuple[Path, ...], dict[str, list[str]]] = {}
    for case, chosen in restorers.items():
        groups.setdefault(chosen, {})[case] = training[case]
    jobs = [(chosen, cases, target / "imagesTr") for chosen, cases in groups.items()]
    jobs += [(tuple(folds), test, target / "imagesTs")] if test else []
    for chosen, cases, folder in jobs:
        failed |= _write_cases(arguments, trainer_class, chosen, cases, folder, device, dataset_json)
    (target / "labelsTr").mkdir(exist_ok=True)
    for label in sorted((source / "labelsTr").glob(f"*{dataset_json['file_ending']}")):
        place_file(label, target / "labelsTr" / label.name, arguments.copy)
    if not failed:
        write_json(target / "dataset.json", extended_dataset_json(dataset_json, arguments.kinds))
        number = int(target.name[7:10])
        print(f"Done: {target}\nGo on: nnUNetv2_plan_and_preprocess -d {number}")
    return report_failures("written", failed)


def _target_name(given: str, source: str) -> str:
    """DatasetXXX_Name of the dataset to write.

    Raises:
        ValueError: neither a number nor such a name, or the source itself.
    """
    name = f"Dataset{int(given):03d}_{source.split('_', 1)[1]}Residual" if given.isdigit() else given
    if not re.fullmatch(r"Dataset\d{3}_\w+", name) or name[:10] == source[:10]:
        raise ValueError(f"-o expects a number other than that of {source}, or DatasetXXX_Name, found {given!r}.")
    return name


def _unseen_folds(cases: dict[str, list[str]], folds: list[Path]) -> dict[str, tuple[Path, ...]]:
    """For every case the folds that were not trained on it.

    Raises:
        ValueError: a case that all folds were trained on; its residual would be too small.
    """
    from nnunet_uad.inference.model import training_cases

    seen = {fold: training_cases([fold]) for fold in folds}
    chosen = {case: tuple(f for f in folds if case not in seen[f]) for case in cases}
    none = [case for case, left in chosen.items() if not left]
    if none:
        raise ValueError(
            f"{len(none)} case(s) were trained on by every fold ({', '.join(f.name for f in folds)}): "
            f"{', '.join(none[:10])}{' …' if len(none) > 10 else ''}. A model restores what it has seen too well. "
            "Train the folds that leave them out, then run this again."
        )
    return chosen


def _write_cases(
    arguments: argparse.Namespace,
    trainer_class: Any,
    folds: tuple[Path, ...],
    cases: dict[str, list[str]],
    folder: Path,
    device: Any,
    dataset_json: dict[str, Any],
) -> dict[str, str]:
    """Restore the cases with the mean of the folds; returns what failed."""
    from nnunet_uad.inference.channels import ChannelExporter, check_restores
    from nnunet_uad.inference.model import load_restorer
    from nnunet_uad.inference.predict import predict_cases

    restorer, _ = load_restorer(trainer_class, folds, arguments.chk, device, not arguments.disable_tta, arguments.seed)
    theirs, ours = (channel_names(d) for d in (restorer.model.dataset, dataset_json))
    if theirs != ours:
        raise ValueError(f"The restorer expects the channels {', '.join(theirs)}, the dataset has {', '.join(ours)}.")
    check_restores(restorer, arguments.tr)
    folder.mkdir(parents=True, exist_ok=True)
    exporter = ChannelExporter(
        folder,
        cases,
        tuple(arguments.kinds),
        restorer.model,
        dataset_json["file_ending"],
        arguments.copy,
    )
    todo = {k: v for k, v in cases.items() if not exporter.is_done(k)}
    return predict_cases(restorer, exporter, todo, arguments.npp, arguments.nps)
