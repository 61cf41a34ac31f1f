"""From raw data to preprocessed ones, if they are not there yet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nnunet_uad.common.commands import executable
from nnunet_uad.common.nnunet import dataset_names, dataset_number, usable_configuration
from nnunet_uad.common.nnunet_files import load_plans
from nnunet_uad.study.layout import Layout
from nnunet_uad.study.study_file import Study, require_configuration

STARTED = "preprocessing"
#: The plans that nnU-Net's own planner writes.
_PLANS = "nnUNetPlans"


def is_prepared(preprocessed: Path, study: Study, folder: Path) -> bool:
    """The plans hold the configuration, its data are there, and no preprocessing of ours was interrupted.

    Args:
        preprocessed: Folder of the dataset in nnUNet_preprocessed, which need not exist.
        study: Settings of the study.
        folder: Folder of the study.
    """
    path = preprocessed / f"{study.plans}.json"
    if (folder / STARTED).is_file() or not path.is_file():
        return False
    plans = load_plans(path)
    if study.configuration not in plans["configurations"]:
        return False
    data = preprocessed / usable_configuration(plans, study.configuration)["data_identifier"]
    return any(data.glob("*.pkl"))


def preparation_commands(layout: Layout) -> list[list[str]]:
    """What is left to do between raw data and the preprocessed configuration.

    Args:
        layout: Folder of the study.

    Raises:
        ValueError: Plans that nnU-Net's own planner does not make, or a configuration that neither the plans nor the
            study describe.
    """
    study, number = layout.study, dataset_number(layout.study.dataset)
    preprocessed = Path(layout.request["paths"]["nnUNet_preprocessed"])
    folder = preprocessed / next(iter(dataset_names(preprocessed, study.dataset)), "missing")
    if is_prepared(folder, study, layout.folder):
        return []
    path = folder / f"{study.plans}.json"
    configurations = load_plans(path)["configurations"] if path.is_file() else {}
    _refuse_unknown_plans(study, folder, configurations)
    # Preprocessing starts from nothing when it is repeated; until it has ended, its data do not count.
    (layout.folder / STARTED).touch()
    commands = []
    small = study.small_plan
    base = small.base if small else study.configuration
    if not path.is_file():
        commands.append([executable("nnUNetv2_extract_fingerprint"), "-d", number])
        commands.append([executable("nnUNetv2_plan_experiment"), "-d", number])
    if small and study.configuration not in configurations:
        sizes = {
            "--spacing": small.spacing,
            "--patch": small.patch,
            "--features": small.features,
            "--batch": [small.batch],
        }
        words = [executable("nnunet_uad"), "small-plan", "-d", number, "-c", base, "-p", study.plans]
        words += ["--name", study.configuration]
        commands.append(words + [str(w) for flag, values in sizes.items() for w in (flag, *values)])
    commands.append(
        [executable("nnUNetv2_preprocess"), "-d", number, "-plans_name", study.plans, "-c", study.configuration]
    )
    return commands


def _refuse_unknown_plans(study: Study, folder: Path, configurations: dict[str, Any]) -> None:
    if not configurations and study.plans != _PLANS:
        raise ValueError(
            f"{study.dataset} has no plans {study.plans}; the study can make {_PLANS} only. Make them: nnunet_uad "
            f"settings -d {study.dataset} --name {study.plans} KEY=VALUE, or nnUNetv2_plan_experiment -d "
            f"{dataset_number(study.dataset)} -pl PLANNER"
        )
    if configurations and study.small_plan is None:
        require_configuration(configurations, folder, study)
