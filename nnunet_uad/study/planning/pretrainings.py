"""Which pretrainings a study needs, once per outer fold, and whether they would see test cases."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnunet_uad.common.settings import joined
from nnunet_uad.common.slugs import slug
from nnunet_uad.common.trainer_names import base_name
from nnunet_uad.data.splits import SPLITS_FILE, Split
from nnunet_uad.methods import PRETRAINER_PREFIX, PRETRAINERS, method_of
from nnunet_uad.study.arms import Arm
from nnunet_uad.study.pins import contents_of
from nnunet_uad.study.planning.needs import needs_of
from nnunet_uad.study.planning.outer import StageOne
from nnunet_uad.study.study_file import Study
from nnunet_uad.weights.leakage import Overlap

#: Instead of the outer fold in the name of a pretraining that serves all of them.
SHARED = "shared"


def plan_pretrainings(study: Study, outer: list[str], stage_one: StageOne) -> tuple[dict[str, Any], dict[str, Any]]:
    """What every arm needs, and the pretrainings that make it.

    Args:
        study: Settings of the study.
        outer: Numbers of the outer folds.
        stage_one: Folds that are pretrained on.

    Returns:
        Arm → outer fold → ``weights``, ``restorer`` or ``maps`` → identifier; identifier → trainer, dataset, fold,
        settings. Arms with the same pretrainer, length, cases and settings share one.
    """
    needs: dict[str, Any] = {}
    pretrainings: dict[str, Any] = {}
    for name, arm in study.trainers.items():
        if arm.screen:
            # The two arms that it is made of have what they need.
            needs[name] = {number: {} for number in outer}
            continue
        _check_name(arm.trainer)
        wanted = {"maps": _known_pretrainer(arm.trainer)} if arm.label_free else dict(needs_of(arm.trainer))
        if arm.weights:
            check_weights(name, arm)
            del wanted["weights"]
        needs[name] = {number: {} for number in outer}
        for kind, pretrainer in wanted.items():
            for number in outer:
                entry = _pretraining(study, arm, pretrainer, number, stage_one)
                shared = study.pretraining_of(arm).shared
                outer_name = SHARED if shared else study.outer_name(number)
                needs[name][number][kind] = _register(pretrainings, entry, outer_name)
    return needs, pretrainings


def check_weights(name: str, arm: Arm) -> None:
    """Refuse a file of weights that is not there, or that a trainer would not start from.

    Args:
        name: Name of the arm.
        arm: Arm with a file of weights.

    Raises:
        ValueError: The trainer starts from no weights.
        FileNotFoundError: There is no such file.
    """
    if arm.label_free or "weights" not in needs_of(arm.trainer):
        raise ValueError(
            f"trainers: {name}: weights goes with a trainer that starts from weights (nnUNetTrainer…Pretrained), found "
            f"{arm.trainer}."
        )
    if not Path(arm.weights).is_file():
        raise FileNotFoundError(f"trainers: {name}: there is no file of weights {arm.weights}.")


def _check_name(trainer: str) -> None:
    if base_name(trainer) != trainer:
        stage = "pretraining" if trainer.startswith(PRETRAINER_PREFIX) else "fine_tuning"
        raise ValueError(f"trainers: {trainer} carries a length; say it with {stage}: epochs, iterations.")


def _known_pretrainer(name: str) -> str:
    """The name of a pretrainer that is there, ours or somebody's.

    Raises:
        ValueError: There is none; the nearest is named.
    """
    if name not in PRETRAINERS:
        # Looked up as nnU-Net does; what is not there is refused.
        needs_of(name)
    return name


def _pretraining(study: Study, arm: Arm, pretrainer: str, number: str, stage_one: StageOne) -> dict[str, Any]:
    length = study.pretraining_of(arm)
    # Not the pool's index, which other studies of the dataset decide.
    own = 0 if study.test_cases or length.shared else int(number)
    settings = joined(length.settings, f"seed={study.seed + own}")
    return {
        "trainer": pretrainer + length.suffix,
        "dataset": stage_one.data.folder.name,
        "fold": stage_one.fold_of(length, number),
        "settings": settings,
    }


def _register(pretrainings: dict[str, Any], entry: dict[str, Any], outer: str) -> str:
    """The identifier of an equal pretraining, or a new one."""
    name = f"{slug(method_of(entry['trainer']))}__{outer}"
    variants = [k for k in pretrainings if k == name or k.startswith(f"{name}_v")]
    same = [key for key in variants if pretrainings[key] == entry]
    if same:
        return same[0]
    identifier = f"{name}_v{len(variants) + 1}" if variants else name
    pretrainings[identifier] = entry
    return identifier


def check_leakage(stage_one: StageOne, outer: Mapping[str, Split], pins: Mapping[str, Any], dataset: str) -> None:
    """Refuse a study whose pretraining would see the images that it is tested on.

    Args:
        stage_one: Folds that are pretrained on.
        outer: Outer folds of the study.
        pins: Pins of the datasets of the study.
        dataset: Name of the study's dataset.

    Raises:
        ValueError: Naming fold and cases.
    """
    folder = stage_one.data.folder
    for number, index in stage_one.pairs:
        trained = contents_of(pins.get(folder.name, {}), stage_one.splits[str(index)]["train"])
        if overlap := Overlap.between(trained, contents_of(pins.get(dataset, {}), outer[number]["val"])):
            consequence = (
                f"Scores on images that pretraining has seen do not count; correct the folds in {folder / SPLITS_FILE}."
            )
            place = f"stage one (fold {index} of {folder.name})"
            raise ValueError(overlap.finding(place, consequence, "test case(s) of the study"))
