"""The cases of a raw dataset, labelled and not, and which slices of them are labelled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nnunet_uad.common.classes import IGNORE
from nnunet_uad.common.files import file_hash
from nnunet_uad.data.cohort import raw_cases
from nnunet_uad.inference.model_plan import ModelPlan
from nnunet_uad.inference.pipeline import list_cases


@dataclass(frozen=True)
class Candidates:
    """Cases that may be chosen, and cases that count as covered.

    Attributes:
        files: Case → files of its images, in the order of the model's channels.
        labels: Labelled case → file of its label.
        failed: Case → why it cannot be used.
    """

    files: dict[str, list[str]]
    labels: dict[str, Path]
    failed: dict[str, str]

    @property
    def unlabelled(self) -> list[str]:
        """Identifiers of the cases that nobody labelled."""
        return [case for case in self.files if case not in self.labels]

    def record(self) -> dict[str, Any]:
        """What the choice depends on, for the record: unlabelled cases, and labelled ones with their labels' hashes."""
        return {
            "unlabelled": sorted(self.unlabelled),
            "labelled": {case: file_hash(path) for case, path in sorted(self.labels.items())},
        }


def find_candidates(dataset: Path, more: Path | None, model: ModelPlan) -> Candidates:
    """The cases of a raw dataset, and of a further folder of images.

    Args:
        dataset: Folder of the dataset in nnUNet_raw; cases without a file in ``labelsTr`` are unlabelled.
        more: Folder of further images that nobody labelled, named as nnU-Net names them; ``None`` if there is none.
        model: Plan of the pretrainer.

    Raises:
        ValueError: There is no case, or one in both.
        FileNotFoundError: A folder does not exist.
    """
    cases, failed = raw_cases(dataset, model.channel_names)
    files = {case.identifier: list(case.images) for case in cases}
    labels = {case.identifier: Path(case.label) for case in cases if case.label is not None}
    if more is not None:
        further, wrong = list_cases(more, model.dataset)
        if twice := sorted(set(further) & set(files)):
            raise ValueError(
                f"{', '.join(twice[:5])} of {more} are in {dataset.name}, too: nobody knows which counts. Rename or "
                "remove one."
            )
        files |= further
        failed |= wrong
    return Candidates(files, labels, failed)


def labelled_slices(candidates: Candidates, model: ModelPlan) -> dict[str, np.ndarray]:
    """Labelled case → whether each slice of the raw image is labelled: holds anything but the ignore label: (slices,).

    Args:
        candidates: Cases of the dataset.
        model: Plan of the pretrainer, whose slices are meant.
    """
    ignore = model.dataset["labels"].get(IGNORE)
    axis = int(model.plans.transpose_forward[0])
    reader = model.plans.image_reader_writer_class()
    return {case: _labelled(reader, path, axis, ignore) for case, path in candidates.labels.items()}


def _labelled(reader: Any, path: Path, axis: int, ignore: int | None) -> np.ndarray:
    values = np.moveaxis(np.asarray(reader.read_seg(str(path))[0])[0], axis, 0)
    if ignore is None:
        return np.ones(len(values), bool)
    return (values != ignore).reshape(len(values), -1).any(axis=1)


def refuse_nothing_left(
    candidates: Candidates, slices: Mapping[str, np.ndarray] | None, dataset: str, say: Callable[[str], object]
) -> None:
    """Refuse a dataset in which everything is labelled; say where the rest does not.

    Args:
        candidates: Cases of the dataset.
        slices: Labelled case → whether each slice is labelled, (slices,), where slices are chosen; else ``None``.
        dataset: Name of the dataset, for the error.
        say: Function that is told how many cases there are.

    Raises:
        ValueError: Nothing is left to label; says where unlabelled cases belong.
    """
    free, done = len(candidates.unlabelled), len(candidates.labels)
    partly = 0 if slices is None else sum(not found.all() for found in slices.values())
    if not free and not partly:
        raise ValueError(
            f"No unlabelled case is left: all {done} of {dataset} have labels in labelsTr. Put further scans into "
            "imagesTr, or name a folder of them: -i IMAGES"
        )
    also = f", {partly} of them in part" if partly else ""
    say(f"{free} unlabelled case(s), {done} labelled{also}.")
