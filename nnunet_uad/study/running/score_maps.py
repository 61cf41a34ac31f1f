"""Anomaly maps of a pretrainer on a study's test cases, and their scores: what detection without labels reaches."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from nnunet_uad.common.json_files import read_mapping
from nnunet_uad.common.nnunet import channel_names
from nnunet_uad.common.nnunet_files import load_dataset_json
from nnunet_uad.data.image_files import ending_of
from nnunet_uad.inference.names import MAPS_RECORD
from nnunet_uad.study.layout import Layout, MapCell
from nnunet_uad.study.running.commands import nnunet_environment, pretrained_file
from nnunet_uad.study.running.predict_cell import cases_to_test


def score_maps(layout: Layout, cell: MapCell, dataset: str) -> dict[str, Any]:
    """Write the maps of a cell's test cases, as ``nnunet_uad predict`` does, and score them beside the floors.

    The maps are left in ``cells/ARM/OUTER_FOLD/DATASET``; those that are there are kept.

    Args:
        layout: Folder of the study.
        cell: Arm without labels on an outer fold.
        dataset: Name of the dataset to test on.

    Returns:
        What ``nnunet_uad evaluate`` says of the maps and of the floors of every channel. A voxel is positive if it has
        any label of a class.

    Raises:
        RuntimeError: A case has no map or could not be scored; says why.
    """
    (identifier,) = layout.needed(cell).values()
    predict_maps(layout, cell, dataset, identifier, layout.study.label_free[cell.arm].settings)
    from nnunet_uad.evaluation.baseline_channels import score_of
    from nnunet_uad.evaluation.floors import every_floor
    from nnunet_uad.evaluation.folders import evaluate_folders
    from nnunet_uad.evaluation.request import EvaluationRequest

    maps = layout.cell_folder(cell.identifier) / dataset
    images, labels, values, ignore = _linked(layout, cell, dataset)
    names = channel_names(load_dataset_json(_preprocessed(layout) / "dataset.json"))
    summary = evaluate_folders(
        EvaluationRequest(
            maps=[maps],
            labels=labels,
            lesion_labels=values,
            ignore_label=ignore,
            images=images,
            floors=every_floor(score_of(read_mapping(maps / MAPS_RECORD)), names),
            healthy_cases=True,
            only=layout.tested(cell, dataset),
        )
    )
    _refuse_failures("scored", summary["failed"])
    # JSON knows no tuples: as it will be read.
    return dict(json.loads(json.dumps(summary)))


def predict_maps(layout: Layout, cell: MapCell, dataset: str, pretraining: str, score: str) -> None:
    """Write the maps of a cell's test cases, as ``nnunet_uad predict`` does.

    Args:
        layout: Folder of the study.
        cell: Arm without labels on an outer fold.
        dataset: Name of the dataset to test on.
        pretraining: Identifier of the pretraining whose maps are wanted.
        score: Settings of the score that differ from the training's.

    Raises:
        RuntimeError: A case has no map; says why.
        ValueError: The method has no maps, or the score cannot be computed.
    """
    # Before nnU-Net is imported: it reads its folders then.
    os.environ.update(nnunet_environment(layout))
    import torch

    from nnunet_uad.inference.predict import PredictRequest, predict_folder

    if layout.study.device == "cpu":
        torch.set_num_threads(layout.study.resources_of("map").threads)
    fold = pretrained_file(layout, pretraining).parent
    request = PredictRequest(
        model=fold.parent,
        folds=(fold.name.removeprefix("fold_"),),
        images=_linked(layout, cell, dataset)[0],
        output=layout.cell_folder(cell.identifier) / dataset,
        score=score,
        device=layout.study.device,
        mirroring=layout.study.mirroring,
    )
    _refuse_failures("predicted", predict_folder(request).failed)


def _linked(layout: Layout, cell: MapCell, dataset: str) -> tuple[Path, Path, list[int], int | None]:
    """Links to the test cases' images and labels, in a folder each; which labels are lesions, which one is ignored."""
    place = layout.folder / "tests" / f"{dataset}__{cell.name}"
    images, labels = place / "images", place / "labels"
    description: dict[str, Any] = {}
    for case, files, label, classes in cases_to_test(layout, cell, dataset):
        description = classes
        for channel, path in enumerate(files):
            _link(path, images / f"{case}_{channel:04d}{ending_of(path)}")
        _link(label, labels / f"{case}{ending_of(label)}")
    ignore = description.get("ignore")
    values = {int(v) for entry in description.values() for v in (entry if isinstance(entry, list) else [entry])}
    return images, labels, sorted(values - {0, ignore}), ignore


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # Jobs of several arms link the same cases, maybe at once.
    with suppress(FileExistsError):
        target.symlink_to(source.resolve())


def _preprocessed(layout: Layout) -> Path:
    return Path(layout.request["paths"]["nnUNet_preprocessed"]) / layout.plan["dataset"]


def _refuse_failures(verb: str, failed: dict[str, str]) -> None:
    if failed:
        reasons: Iterable[str] = (f"{case}: {reason}" for case, reason in failed.items())
        raise RuntimeError(f"{len(failed)} case(s) could not be {verb}:\n  " + "\n  ".join(reasons))
