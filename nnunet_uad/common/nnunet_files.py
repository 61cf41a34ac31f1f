"""nnU-Net's JSON files, as far as they are used here: their form, checked when they are read.

Only what every reader needs is asked for, so that files of older and newer versions of nnU-Net pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from nnunet_uad.common.bounds import Count
from nnunet_uad.common.classes import check_classes, check_order
from nnunet_uad.common.json_files import read_as, read_mapping
from nnunet_uad.common.nnunet import FOLDER_NAME
from nnunet_uad.common.schema import Matching, build, shown

#: What to do about a damaged file in the folder of a model.
RESTORE = "nnU-Net writes it when a training begins: copy it anew, or train the model again."


@dataclass(frozen=True)
class DatasetForm:
    """What a ``dataset.json`` must hold, and what it may.

    Attributes:
        channel_names: Index of a channel, ``"0"`` → its name.
        file_ending: Ending of the images' and labels' names.
        labels: Name of a class → its label or, of a region, its labels; images alone need none.
        regions_class_order: Label of each region, in the order in which they are painted.
        numTraining: Number of training cases.
        dataset: Case → its files, where they are listed.
        overwrite_image_reader_writer: Name of nnU-Net's reader.
        modality: Channels as nnU-Net v1 names them; nnU-Net v2 counts them instead where both are there.
    """

    channel_names: dict[str, str]
    file_ending: Annotated[str, Matching(r"(\.[A-Za-z0-9]{1,16}){1,3}", "the end of the files' names, such as .nii.gz")]
    labels: dict[str, Any] = field(default_factory=dict)
    regions_class_order: list[int] | None = None
    numTraining: Count = 0  # noqa: N815
    dataset: dict[str, dict[str, Any]] = field(default_factory=dict)
    overwrite_image_reader_writer: str | None = None
    modality: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if not self.channel_names:
            raise ValueError("channel_names expects at least one entry, found none.")
        for key, name in self.channel_names.items():
            if not name.strip() or (name.isdigit() and not key.isdigit()):
                raise ValueError(f"channel_names: {key} expects the name of a channel, found {shown(name)}.")
        if self.modality is not None and len(self.modality) != len(self.channel_names):
            raise ValueError(
                f"modality expects as many entries as channel_names, {len(self.channel_names)}, found "
                f"{len(self.modality)}. Remove it: nnU-Net v2 needs channel_names alone."
            )
        if self.labels:
            check_classes(self.labels)
            check_order(self.labels, self.regions_class_order)


@dataclass(frozen=True)
class LabelledForm(DatasetForm):
    """What the ``dataset.json`` of a labelled dataset must hold."""

    labels: dict[str, Any] = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_classes(self.labels)


@dataclass(frozen=True)
class PlansForm:
    """What plans must hold.

    Attributes:
        plans_name: Name of the plans.
        configurations: Name of a configuration → its sizes, network and normalisation, or what differs from another.
        dataset_name: Name of the dataset that they were made for.
        foreground_intensity_properties_per_channel: Index of a channel → statistics of its foreground.
    """

    plans_name: Annotated[
        str, Matching(FOLDER_NAME, "a name of at most 100 letters without / or __, none of . - first")
    ]
    configurations: dict[str, dict[str, Any]]
    dataset_name: str = ""
    foreground_intensity_properties_per_channel: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Split:
    """A fold of ``splits_final.json``."""

    train: list[str]
    val: list[str]


def load_dataset_json(path: str | Path, fix: str = "", labelled: bool = True) -> dict[str, Any]:
    """The content of a ``dataset.json``.

    Args:
        path: File to read.
        fix: Sentence that says what to do, for the errors.
        labelled: Whether it must say what the labels mean.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: It is no JSON, or no description of a dataset; names file, key, what is expected and what was found.
    """
    return read_mapping(path, fix, LabelledForm if labelled else DatasetForm)


def check_dataset_json(content: Mapping[str, Any], where: str) -> None:
    """Refuse the content of a ``dataset.json`` that nnU-Net has read itself.

    Args:
        content: Content of the file.
        where: Name of the file, for the error.

    Raises:
        ValueError: It describes no labelled dataset; names file, key, what is expected and what was found.
    """
    build(LabelledForm, content, where, ignore_unknown=True)


def load_plans(path: str | Path, fix: str = "") -> dict[str, Any]:
    """The content of a plans file.

    Args:
        path: File to read.
        fix: Sentence that says what to do, for the errors.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: It is no JSON, or no plans; names file, key, what is expected and what was found.
    """
    return read_mapping(path, fix, PlansForm)


def load_splits(path: str | Path, fix: str = "") -> list[dict[str, list[str]]]:
    """The folds of a ``splits_final.json``: ``train`` and ``val`` → identifiers of the cases.

    Args:
        path: File to read.
        fix: Sentence that says what to do, for the errors.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: It is no JSON, or no list of folds; names file, what is expected and what was found.
    """
    return [{"train": split.train, "val": split.val} for split in read_as(list[_Split], path, fix)]
