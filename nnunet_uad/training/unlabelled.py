"""Images that a supervised training uses without their labels: those that have none, and a pool that somebody names."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nnunet_uad.common.nnunet import channel_names, dataset_folder, require_configuration, usable_configuration
from nnunet_uad.common.nnunet_files import load_dataset_json, load_plans
from nnunet_uad.common.schema import shown
from nnunet_uad.data.content import case_contents, raw_folder
from nnunet_uad.data.splits import SPLITS_FILE, splits_of
from nnunet_uad.training.cases import refuse_absent_cases
from nnunet_uad.weights.leakage import Overlap
from nnunet_uad.weights.names import POOL_VARIABLE


@dataclass(frozen=True)
class Pool:
    """A fold of a dataset whose training cases may be used without their labels.

    Attributes:
        folder: Folder of the dataset in nnUNet_preprocessed.
        cases: Identifiers of the cases.
    """

    folder: Path
    cases: tuple[str, ...]

    @classmethod
    def named(cls) -> Pool | None:
        """The pool that the variable names, ``DATASET/FOLD``; ``None`` if it names none.

        Raises:
            ValueError: It is of another form, or there is no such dataset or fold.
        """
        text = os.environ.get(POOL_VARIABLE, "").strip()
        if not text:
            return None
        dataset, _, fold = text.rpartition("/")
        if not dataset or not fold.isdecimal():
            raise ValueError(f"{POOL_VARIABLE} expects DATASET/FOLD, for example 901/5, found {shown(text)}.")
        folder = dataset_folder("nnUNet_preprocessed", dataset)
        splits = splits_of(folder)
        if int(fold) >= len(splits):
            raise ValueError(
                f"{POOL_VARIABLE}={text}: {folder / SPLITS_FILE} has the folds 0 to {len(splits) - 1}, found {fold}."
                if splits
                else f"{POOL_VARIABLE}={text}: expected {folder / SPLITS_FILE}, which does not exist yet."
            )
        return cls(folder, tuple(splits[int(fold)]["train"]))

    def refuse_other_data(self, plans: Mapping[str, Any], configuration: str, dataset_json: Mapping[str, Any]) -> None:
        """A pool holds images like those that are trained on.

        Args:
            plans: Plans of the training.
            configuration: Name of the configuration that is trained.
            dataset_json: Description of the dataset that is trained on.

        Raises:
            ValueError: Its channels, spacing or normalisation are others.
            FileNotFoundError: It is not preprocessed with plans of that name.
        """
        path = self.folder / f"{plans['plans_name']}.json"
        fix = f"Preprocess it with the plans of the training: nnunet_uad preprocess --like {plans['dataset_name']}"
        theirs = {"channels": channel_names(load_dataset_json(self.folder / "dataset.json", fix, labelled=False))}
        ours: dict[str, Any] = {"channels": channel_names(dataset_json)}
        for found, content in ((theirs, load_plans(path, fix)), (ours, plans)):
            require_configuration(str(path), content["configurations"], configuration, f" {fix}")
            entry = usable_configuration(content, configuration)
            found |= {key: entry[key] for key in ("data_identifier", "spacing", "normalization_schemes")}
        if other := [key for key in ours if list(ours[key]) != list(theirs[key])]:
            key = other[0]
            raise ValueError(
                f"{POOL_VARIABLE}: {self.folder.name} has other {key} than the training: expected {list(ours[key])}, "
                f"found {list(theirs[key])}. {fix}"
            )

    def without(self, base: Path, data: str, train: Sequence[str], val: Sequence[str]) -> list[str]:
        """The cases that are neither trained on with labels nor validated on, under whatever name.

        Args:
            base: Folder of the dataset that is trained on, in nnUNet_preprocessed.
            data: Name of the folder of the configuration's preprocessed data, there and in the pool.
            train: Identifiers of the annotated training cases.
            val: Identifiers of the validation cases.

        Raises:
            ValueError: Cases of the pool are not preprocessed.
        """
        present = [path.name.removesuffix(".pkl") for path in (self.folder / data).glob("*.pkl")]
        refuse_absent_cases("of the pool", self.cases, present, self.folder / SPLITS_FILE)
        held_out = case_contents(raw_folder(), base, base / data, val)
        contents = case_contents(raw_folder(), self.folder, self.folder / data, self.cases)
        seen = {*Overlap.between(held_out, contents).cases, *val, *train}
        return [case for case in self.cases if case not in seen]


class UnlabelledCases:
    """An nnU-Net dataset of cases whose labels nobody sees.

    Args:
        datasets: Datasets of nnU-Net; of cases with one name the first counts.
    """

    def __init__(self, datasets: Sequence[Any]) -> None:
        self._owners = {case: dataset for dataset in reversed(datasets) for case in dataset.identifiers}
        self.identifiers = sorted(self._owners)

    def load_case(self, identifier: str) -> tuple[Any, Any, None, dict]:
        """Image, segmentation of nothing but background, and properties of a case."""
        data, seg, _, properties = self._owners[identifier].load_case(identifier)
        return data, _Hidden(seg), None, properties


class _Hidden:
    """Labels that are read part by part, with all that is labelled hidden: 0 inside the nonzero region, −1 outside."""

    def __init__(self, labels: Any) -> None:
        self.labels = labels

    def __getitem__(self, where: Any) -> np.ndarray:
        return np.minimum(np.asarray(self.labels[where]), 0)
