"""Take a plan back: the folds that a study appended to the dataset's splits, and the dataset of its slices."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nnunet_uad.common.files import write_json
from nnunet_uad.data.splits import SPLITS_FILE, Split, splits_of
from nnunet_uad.study.layout import PLAN_FILE, REQUEST_FILE, Layout
from nnunet_uad.study.planning.outer import APPENDED_FILE, appended_folds
from nnunet_uad.study.planning.plan import only_planning


def remove_plan(layout: Layout, preprocessed: Path, say: Callable[[str], object] = print) -> None:
    """Undo what planning a study wrote beside its own folder; trainings and scores stay.

    Args:
        layout: Folder of the study.
        preprocessed: Folder of all datasets in nnUNet_preprocessed.
        say: Function that is told what was removed.

    Raises:
        ValueError: Folds were appended behind those of this study, or its own are no longer what it wrote: to remove
            them would change what the numbers of others mean.
    """
    plan = layout.plan
    with only_planning(preprocessed / plan["dataset"], say):
        # One of them may be the dataset of the pretraining.
        names = {fold["dataset"] for fold in _appended(plan)} - {plan["slice_dataset"]}
        kept = {preprocessed / name: _without(plan, preprocessed / name) for name in sorted(names)}
        for folder, splits in kept.items():
            removed = len(splits_of(folder)) - len(splits)
            if removed:
                write_json(folder / SPLITS_FILE, splits)
            if (folder / APPENDED_FILE).is_file():
                write_json(folder / APPENDED_FILE, sorted(i for i in appended_folds(folder) if i < len(splits)))
            say(f"{folder / SPLITS_FILE}: {removed} fold(s) removed, {len(splits)} left.")
        if plan["slice_dataset"] and (slices := preprocessed / plan["slice_dataset"]).is_dir():
            shutil.rmtree(slices)
            say(f"{slices} removed.")
        # Last: an interrupted removal is finished by the same command.
        for name in (REQUEST_FILE, PLAN_FILE):
            (layout.folder / name).unlink(missing_ok=True)
    say(f"Trainings and scores stay: {layout.folder}. Delete that folder if nobody needs them.")


def _appended(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """All entries that the study appended, those that it no longer uses among them."""
    return [*plan["folds"], *plan["entries"], *plan["dropped"]["folds"]]


def _without(plan: dict[str, Any], folder: Path) -> list[Split]:
    """The splits of a dataset without the study's own, which must be the last.

    Raises:
        ValueError: They are not, or hold other cases.
    """
    splits, path = splits_of(folder), folder / SPLITS_FILE
    own = [fold for fold in _appended(plan) if fold["dataset"] == folder.name]
    first = min((fold["index"] for fold in own), default=len(splits))
    for fold in own:
        if fold["index"] < len(splits):
            there = splits[fold["index"]]
            if any(sorted(there[part]) != sorted(fold[part]) for part in ("train", "val")):
                raise ValueError(f"{path}: fold {fold['index']} is not what this study wrote. Nothing was removed.")
    others = set(range(first, len(splits))) - {fold["index"] for fold in own}
    if others:
        raise ValueError(
            f"{path}: fold(s) {', '.join(map(str, sorted(others)))} were appended behind those of this study. Remove "
            "the study that they belong to first. Nothing was removed."
        )
    return splits[:first]
