"""Raw datasets as a cohort: which cases there are, which are labelled, which file is which channel."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunetv2.utilities.utils import get_filenames_of_train_images_and_targets

from nnunet_uad.common.json_files import read_as
from nnunet_uad.common.nnunet import channel_names
from nnunet_uad.common.nnunet_files import load_dataset_json
from nnunet_uad.data.image_files import channels_in

#: In a dataset's folder in nnUNet_preprocessed: identifiers of the cases that nobody labelled.
UNLABELLED_FILE = "unlabelled_cases.json"


@dataclass(frozen=True)
class RawCase:
    """Files of one case.

    Attributes:
        identifier: Name of the case.
        images: Files of the images, in the order of the wanted channels.
        label: File of the label, ``None`` if nobody labelled the case.
    """

    identifier: str
    images: tuple[str, ...]
    label: str | None


def raw_cases(folder: Path, channels: Sequence[str]) -> tuple[list[RawCase], dict[str, str]]:
    """Training cases of a raw dataset, labelled or not.

    Args:
        folder: Folder of the dataset, in nnU-Net's raw format; ``labelsTr`` may hold labels of some cases, or be
            missing.
        channels: Names of the wanted channels, in their order.

    Returns:
        The cases, and for each case that lacks a channel's file the reason.

    Raises:
        ValueError: The dataset does not have the channels, or no case.
        FileNotFoundError: The folder holds no dataset.json, or no images.
    """
    path = folder / "dataset.json"
    description = load_dataset_json(path, "Every raw dataset of nnU-Net has one.", labelled=False)
    positions = _positions(description, channels, folder.name)
    complete: list[RawCase] = []
    failed: dict[str, str] = {}
    for identifier, (images, label) in sorted(_listed(folder, description).items()):
        missing = [channels[k] for k, position in enumerate(positions) if position not in images]
        if missing:
            failed[identifier] = f"there is no image of channel {', '.join(missing)}"
            continue
        complete.append(RawCase(identifier, tuple(str(images[p]) for p in positions), label))
    if not complete:
        raise ValueError(f"{folder} has no complete case: " + "; ".join(f"{k}: {v}" for k, v in failed.items()))
    return complete, failed


def _listed(folder: Path, description: dict[str, Any]) -> dict[str, tuple[dict[int, Path], str | None]]:
    """Case → images by channel, label."""
    if "dataset" in description:
        listed = get_filenames_of_train_images_and_targets(str(folder), description)
        return {
            key: (dict(enumerate(map(Path, entry["images"]))), _existing(entry.get("label")))
            for key, entry in listed.items()
        }
    labels = folder / "labelsTr"
    return {
        key: (images, _existing(labels / f"{key}{description['file_ending']}"))
        for key, images in channels_in(folder / "imagesTr").items()
    }


def _existing(path: str | Path | None) -> str | None:
    return str(path) if path is not None and Path(path).is_file() else None


def _positions(description: dict[str, Any], channels: Sequence[str], dataset: str) -> list[int]:
    """Index of each wanted channel in the dataset's files."""
    names = {str(name).strip().casefold(): int(index) for index, name in description["channel_names"].items()}
    missing = [name for name in channels if name.strip().casefold() not in names]
    if missing:
        present = ", ".join(channel_names(description))
        raise ValueError(
            f"{dataset} has the channel(s) {present}; the plans expect {', '.join(channels)}, so "
            f"{', '.join(missing)} is missing. Use the plans' network for fewer channels: --channels "
            f"{' '.join(n for n in channels if n not in missing) or 'NAME'}; or rename the channels in its "
            "dataset.json if they are the same under other names."
        )
    return [names[name.strip().casefold()] for name in channels]


def restricted_plans(
    plans: dict[str, Any], dataset_json: dict[str, Any], channels: Sequence[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Plans and dataset.json for some of the channels: same spacing, patch, network and normalisation.

    Args:
        plans: Content of a plans file.
        dataset_json: Content of the dataset's ``dataset.json``.
        channels: Names of the channels to keep, in their order.

    Returns:
        Both contents, changed; the arguments stay as they are.

    Raises:
        ValueError: A channel is not one of the dataset's.
    """
    chosen = _positions(dataset_json, channels, plans["dataset_name"])
    own = {int(i): name for i, name in dataset_json["channel_names"].items()}
    plans, dataset_json = json.loads(json.dumps(plans)), json.loads(json.dumps(dataset_json))
    properties = plans["foreground_intensity_properties_per_channel"]
    plans["foreground_intensity_properties_per_channel"] = {str(k): properties[str(c)] for k, c in enumerate(chosen)}
    for configuration in plans["configurations"].values():
        for key in ("normalization_schemes", "use_mask_for_norm"):
            if key in configuration:
                configuration[key] = [configuration[key][c] for c in chosen]
    dataset_json["channel_names"] = {str(k): own[c] for k, c in enumerate(chosen)}
    return plans, dataset_json


def unlabelled_cases(preprocessed: str | Path) -> set[str]:
    """Cases of a preprocessed dataset that nobody labelled; empty where all are labelled.

    Args:
        preprocessed: Folder of the dataset in ``nnUNet_preprocessed``.

    Raises:
        ValueError: The file is damaged.
    """
    path = Path(preprocessed) / UNLABELLED_FILE
    fix = "Write it again: nnunet_uad preprocess, as before."
    return set(read_as(list[str], path, fix)) if path.is_file() else set()
