"""The dataset that a study is about, as nnU-Net preprocessed it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nnunet_uad.study.planning.labels import SEG_ENDING
from nnunet_uad.study.study_file import Study


@dataclass(frozen=True)
class Source:
    """The dataset that a study is about, preprocessed.

    Attributes:
        folder: in nnUNet_preprocessed.
        plans: content of the plans.
        dataset_json: its description.
        data: folder of the configuration's preprocessed data.
        voxel: volume of a voxel, mm³.
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


def open_source(folder: Path, study: Study) -> Source:
    """The preprocessed dataset.

    Raises:
        FileNotFoundError: it is not planned or not preprocessed with the configuration.
        ValueError: the plans do not have the configuration.
    """
    number = study.dataset
    path = folder / f"{study.plans}.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist. Make it: nnUNetv2_plan_and_preprocess -d {number}")
    plans = json.loads(path.read_text(encoding="utf-8"))
    if study.configuration not in plans["configurations"]:
        raise ValueError(
            f"The plans {study.plans} of {folder.name} have no configuration {study.configuration!r}; they have: "
            f"{', '.join(plans['configurations'])}. Say in the study how to make it (small_plan), or choose one."
        )
    configuration = resolved_configuration(plans, study.configuration)
    data = folder / configuration["data_identifier"]
    source = Source(
        folder,
        plans,
        json.loads((folder / "dataset.json").read_text(encoding="utf-8")),
        data,
        float(np.prod(configuration["spacing"])),
    )
    if not source.cases:
        raise FileNotFoundError(
            f"{data} holds no preprocessed case. Make them: nnUNetv2_preprocess -d {number} -c {study.configuration} "
            f"-plans_name {study.plans}; or let the study do it: nnunet_uad study run"
        )
    return source


def resolved_configuration(plans: dict[str, Any], name: str) -> dict[str, Any]:
    """A configuration with what it inherits; as nnU-Net's PlansManager, which would load PyTorch."""
    own = plans["configurations"][name]
    parent = own.get("inherits_from")
    return {**(resolved_configuration(plans, parent) if parent else {}), **own}
