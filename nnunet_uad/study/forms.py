"""What a study's files must hold: checked when they are read, so that a damaged one is refused by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from nnunet_uad.common.bounds import Count, Finite, Seconds, Seed
from nnunet_uad.common.classes import check_classes
from nnunet_uad.common.nnunet import DATASET
from nnunet_uad.common.schema import Matching
from nnunet_uad.study.arms import TRAINER
from nnunet_uad.study.labelled import BUDGET

_Dataset = Annotated[str, Matching(DATASET, "the name of a dataset")]
#: Part of paths.
_Identifier = Annotated[str, Matching(r"[\w-]{1,200}", "a name of letters, digits, - and _")]


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

    id: _Identifier
    outer: Count
    budget: Annotated[str, Matching(BUDGET, "a number of cases or slices, or all")]
    draw: Count
    train: list[str]
    val: list[str]
    slices: dict[str, list[Count]]
    annotated_slices: Count
    dataset: _Dataset
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

    id: _Identifier
    dataset: _Dataset
    train: list[str]
    val: list[str]
    index: Count


@dataclass(frozen=True)
class PretrainingForm:
    """A planned pretraining.

    Attributes:
        trainer: Name of the trainer.
        dataset: Name of the dataset.
        fold: Fold of the dataset.
        settings: Assignments of ``nnUNet_uad_settings``.
    """

    trainer: Annotated[str, Matching(TRAINER, "the name of a trainer")]
    dataset: _Dataset
    fold: Count
    settings: str


@dataclass(frozen=True)
class TimingForm:
    """What ``timing.json`` must hold.

    Attributes:
        pretrain: Name of a pretrainer with its length → seconds of a pretraining.
        train: Name of an arm → seconds of a training.
        case: Name of an arm → seconds of a tested case.
        step: Name of a pretrainer with its length, or of an arm → seconds of a training step.
    """

    pretrain: dict[str, Seconds]
    train: dict[str, Seconds]
    case: dict[str, Seconds]
    step: dict[str, Seconds] = field(default_factory=dict)


@dataclass(frozen=True)
class CutForm:
    """What was left out to fit into ``budget_hours``.

    Attributes:
        budget_hours: Hours that there are.
        asked: Settings of the study when it was decided: draws, arms, budgets, lengths.
        draws: Number of draws that are kept.
        arms: Names of the arms that are left out.
        hours: Estimated hours of what is kept.
        all_hours: Estimated hours of everything.
        origins: Sources of the estimates.
    """

    budget_hours: Finite
    asked: dict[str, Any]
    draws: Count
    arms: list[str]
    hours: Finite
    all_hours: Finite
    origins: list[str]


@dataclass(frozen=True)
class TestForm:
    """A further dataset to test on.

    Attributes:
        dataset: Name of the dataset.
        labels: Case → file of its labels.
        classes: Name of a class → its label or labels.
    """

    dataset: _Dataset
    labels: dict[str, str]
    classes: dict[str, Any]

    def __post_init__(self) -> None:
        check_classes(self.classes)


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
        cut: Draws and arms that were left out to fit into ``budget_hours``, if there is such a limit.
    """

    dataset: _Dataset
    slice_dataset: _Dataset | None
    fingerprint: str
    seed: Seed
    arms: dict[str, Any]
    needs: dict[str, dict[str, dict[str, str]]]
    pretrainings: dict[str, PretrainingForm]
    tests: list[TestForm]
    folds: list[FoldForm]
    entries: list[EntryForm] = field(default_factory=list)
    cut: CutForm | None = None
