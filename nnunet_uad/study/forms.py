"""What a study's files must hold: checked when they are read, so that a damaged one is refused by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from nnunet_uad.common.bounds import Count, Seed


@dataclass(frozen=True)
class PathsForm:
    """nnU-Net's folders in ``request.json``.

    Attributes:
        nnUNet_raw: Folder of raw datasets.
        nnUNet_preprocessed: Folder of preprocessed datasets.
    """

    nnUNet_raw: str  # noqa: N815
    nnUNet_preprocessed: str  # noqa: N815


@dataclass(frozen=True)
class RequestForm:
    """What ``request.json`` must hold.

    Attributes:
        study: Settings of the study.
        paths: nnU-Net's folders.
    """

    study: dict[str, Any]
    paths: PathsForm


@dataclass(frozen=True)
class FoldForm:
    """A planned fold.

    Attributes:
        id: Name of the fold.
        outer: Outer fold.
        budget: Number of labels.
        draw: Draw of the labelled cases.
        train: Cases to train on.
        val: Cases to test on.
        slices: Case → indices of its labelled slices; empty where whole cases are labelled.
        annotated_slices: Number of slices with foreground that are labelled.
        dataset: Name of the dataset that holds the fold.
        index: Index of the fold there.
    """

    id: str
    outer: Count
    budget: str
    draw: Count
    train: list[str]
    val: list[str]
    slices: dict[str, list[Count]]
    annotated_slices: Count
    dataset: str
    index: Count


@dataclass(frozen=True)
class EntryForm:
    """An entry that the study appended to splits besides its folds: its pool, or the cases of a pretraining.

    Attributes:
        id: Name of the entry.
        dataset: Name of the dataset whose splits hold it.
        train: Cases to learn from.
        val: Cases to test on.
        index: Index of the entry there.
    """

    id: str
    dataset: str
    train: list[str]
    val: list[str]
    index: Count


@dataclass(frozen=True)
class TestForm:
    """A further dataset to test on.

    Attributes:
        dataset: Name of the dataset.
        labels: Case → file of its labels.
        classes: Name of a class → its label or labels.
    """

    dataset: str
    labels: dict[str, str]
    classes: dict[str, Any]


@dataclass(frozen=True)
class PlanForm:
    """What ``study.json`` must hold.

    Attributes:
        dataset: Name of the study's dataset.
        slice_dataset: Name of the derived dataset, if slices are labelled.
        fingerprint: Fingerprint of the dataset.
        seed: Seed of everything that is drawn.
        arms: Name of an arm → what is trained.
        needs: Arm → outer fold → what for → pretraining.
        pretrainings: Identifier → pretraining.
        tests: Further datasets to test on.
        folds: Planned folds.
        entries: Further entries that the study appended to splits.
    """

    dataset: str
    slice_dataset: str | None
    fingerprint: str
    seed: Seed
    arms: dict[str, Any]
    needs: dict[str, dict[str, dict[str, str]]]
    pretrainings: dict[str, dict[str, Any]]
    tests: list[TestForm]
    folds: list[FoldForm]
    entries: list[EntryForm] = field(default_factory=list)
