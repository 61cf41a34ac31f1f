"""The dataset that a study is about, as nnU-Net preprocessed it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nnunet_uad.common.nnunet import dataset_number, usable_configuration
from nnunet_uad.common.nnunet_files import load_dataset_json, load_plans
from nnunet_uad.study.pins import SEG_ENDING
from nnunet_uad.study.sections import SmallPlan
from nnunet_uad.study.study_file import Study, require_configuration


@dataclass(frozen=True)
class Source:
    """The dataset that a study is about, preprocessed.

    Attributes:
        folder: Folder in nnUNet_preprocessed.
        plans: Content of the plans.
        dataset_json: Description of the dataset.
        data: Folder of the configuration's preprocessed data.
        voxel: Volume of a voxel, mm³.
    """

    folder: Path
    plans: dict[str, Any]
    dataset_json: dict[str, Any]
    data: Path
    voxel: float

    @property
    def ignore_label(self) -> int | None:
        """Label that means not annotated."""
        return self.dataset_json["labels"].get("ignore")

    @property
    def cases(self) -> list[str]:
        """Identifiers of the preprocessed cases."""
        return sorted(p.name[: -len(SEG_ENDING)] for p in self.data.glob(f"*{SEG_ENDING}"))


def add_small_plan(folder: Path, study: Study) -> None:
    """Add the study's ``small_plan`` to the plans, as ``nnunet_uad small-plan`` does, unless they have it.

    Args:
        folder: Folder of the dataset in nnUNet_preprocessed.
        study: Settings of the study.

    Raises:
        ValueError: The plans have a configuration of that name with other sizes, or nnU-Net cannot make it.
    """
    small, path = study.small_plan, folder / f"{study.plans}.json"
    if small is None or not path.is_file():
        return
    plans = load_plans(path)
    entry = plans["configurations"].get(study.configuration)
    if entry is None:
        from nnunet_uad.data.small_plan import add_configuration, small_configuration

        sizes = (small.spacing, small.patch, small.features, small.batch)
        add_configuration(
            path, study.configuration, small_configuration(plans, small.base, study.configuration, *sizes, str(path))
        )
        return
    changed = _other_sizes(entry, small)
    if changed:
        raise ValueError(
            f"The plans {study.plans} of {folder.name} have a configuration {study.configuration!r} that differs from "
            f"small_plan in {', '.join(changed)}. Correct small_plan, leave it out, or choose another name for the "
            "study's configuration."
        )


def _other_sizes(entry: dict[str, Any], small: SmallPlan) -> list[str]:
    """Keys of ``small_plan`` that a configuration of the plans does not follow; without PyTorch."""
    spacing = entry.get("spacing", [])
    wanted = list(small.spacing) * (len(spacing) if len(small.spacing) == 1 else 1)
    features = entry.get("architecture", {}).get("arch_kwargs", {}).get("features_per_stage")
    same = {
        "base": entry.get("inherits_from") == small.base,
        "spacing": spacing == wanted,
        "patch": entry.get("patch_size") == list(small.patch),
        "features": features == list(small.features),
        "batch": entry.get("batch_size") == small.batch,
    }
    return [key for key, fits in same.items() if not fits]


def open_source(folder: Path, study: Study, otherwise: str = "let the study do it: nnunet_uad study run") -> Source:
    """The preprocessed dataset.

    Args:
        folder: Folder of the dataset in nnUNet_preprocessed.
        study: Settings of the study.
        otherwise: Clause for error messages: what else makes missing files, besides nnU-Net's commands.

    Raises:
        FileNotFoundError: No plans, or no data preprocessed with the configuration.
        ValueError: Plans without the configuration.
    """
    number = dataset_number(folder.name)
    make = f"nnUNetv2_plan_and_preprocess -d {number}; or {otherwise}"
    plans = load_plans(folder / f"{study.plans}.json", f"Make it: {make}")
    require_configuration(plans["configurations"], folder, study)
    configuration = usable_configuration(plans, study.configuration)
    data = folder / configuration["data_identifier"]
    source = Source(
        folder,
        plans,
        load_dataset_json(folder / "dataset.json", f"Make it: {make}"),
        data,
        float(np.prod(configuration["spacing"])),
    )
    if not source.cases:
        raise FileNotFoundError(
            f"{data} holds no preprocessed case. Make them: nnUNetv2_preprocess -d {number} -c {study.configuration} "
            f"-plans_name {study.plans}; or {otherwise}"
        )
    return source
