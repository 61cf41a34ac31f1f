"""Which pretrainings a study needs, once per outer fold, and whether they would see test cases."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnunet_uad.common.settings import joined
from nnunet_uad.common.slugs import slug
from nnunet_uad.common.trainer_names import base_name
from nnunet_uad.data.splits import SPLITS_FILE, splits_of
from nnunet_uad.methods import PRETRAINER_PREFIX, method_of
from nnunet_uad.study.pins import contents_of
from nnunet_uad.study.planning.needs import needs_of
from nnunet_uad.study.study_file import Arm, Study
from nnunet_uad.weights.leakage import Overlap


def plan_pretrainings(study: Study, outer: list[str], dataset: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What every arm needs, and the pretrainings that make it.

    Returns:
        Arm → outer fold → ``weights`` or ``restorer`` → identifier; identifier → trainer, dataset, fold, settings.
        Arms with the same pretrainer, length and settings share one.
    """
    needs: dict[str, Any] = {}
    pretrainings: dict[str, Any] = {}
    for name, arm in study.arms.items():
        _check_name(arm.trainer)
        wanted = needs_of(arm.trainer)
        needs[name] = {fold: {} for fold in outer}
        for kind, pretrainer in wanted.items():
            for fold in outer:
                entry = _pretraining(study, arm, pretrainer, dataset, fold)
                needs[name][fold][kind] = _register(pretrainings, entry)
    return needs, pretrainings


def _check_name(trainer: str) -> None:
    if base_name(trainer) != trainer:
        raise ValueError(f"trainers: {trainer} carries a length; say it with fine_tuning: epochs, iterations.")
    if trainer.startswith(PRETRAINER_PREFIX):
        raise ValueError(
            f"trainers: {trainer} learns no segmentation; a study pretrains by itself what its trainers need."
        )


def _pretraining(study: Study, arm: Arm, pretrainer: str, dataset: str, fold: str) -> dict[str, Any]:
    length = study.pretraining_of(arm)
    settings = joined(length.settings, f"seed={study.seed + int(fold)}")
    return {
        "trainer": pretrainer + length.suffix,
        "dataset": dataset,
        "fold": int(fold),
        "settings": settings,
    }


def _register(pretrainings: dict[str, Any], entry: dict[str, Any]) -> str:
    """The identifier of an equal pretraining, or a new one."""
    same = [key for key, other in pretrainings.items() if other == entry]
    if same:
        return same[0]
    name = slug(method_of(entry["trainer"]))
    taken = [k for k in pretrainings if k.split("__")[0] == name and pretrainings[k]["fold"] == entry["fold"]]
    variant = f"_v{len(taken) + 1}" if taken else ""
    identifier = f"{name}__fold{entry['fold']}{variant}"
    pretrainings[identifier] = entry
    return identifier


def check_leakage(
    folder: Path, outer: dict[str, dict[str, list[str]]], pretrained: bool, pins: Mapping[str, Any], dataset: str
) -> None:
    """Refuse a study whose pretraining would see the images that it is tested on.

    Args:
        folder: Folder of the dataset of stage one in nnUNet_preprocessed.
        outer: Outer folds of the study.
        pretrained: Whether anything is pretrained.
        pins: Pins of the datasets of the study.
        dataset: Name of the study's dataset.

    Raises:
        ValueError: naming fold and cases, or folds that the dataset of stage one does not have.
    """
    if not pretrained:
        return
    splits = splits_of(folder)
    for number, split in outer.items():
        if int(number) >= len(splits):
            raise ValueError(
                f"pretraining: {folder.name} has {len(splits)} folds and none numbered {number}. Preprocess it with "
                "the plans of the study's dataset, whose folds it then gets: nnunet_uad preprocess --like …"
            )
        trained = contents_of(pins.get(folder.name, {}), splits[int(number)]["train"])
        if overlap := Overlap.between(trained, contents_of(pins.get(dataset, {}), split["val"])):
            consequence = (
                f"Scores on images that pretraining has seen do not count; correct the folds in {folder / SPLITS_FILE}."
            )
            stage_one = f"stage one (fold {number} of {folder.name})"
            raise ValueError(overlap.finding(stage_one, consequence, "test case(s) of the study"))
