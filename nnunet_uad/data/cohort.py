"""Raw datasets as a cohort: which cases there are, which are labelled, which file is which channel."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunet_uad.common.json_files import read_as
from nnunet_uad.common.nnunet import channel_names
from nnunet_uad.common.nnunet_files import load_dataset_json
from nnunet_uad.common.schema import shown
from nnunet_uad.data.image_files import COLOURS, ENDINGS, channels_in, ending_of

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
        The cases, and for each case that is incomplete the reason.

    Raises:
        ValueError: The dataset does not have the channels, or no case, or lists files that do not exist.
        FileNotFoundError: The folder holds no dataset.json, or no images.
    """
    path = folder / "dataset.json"
    description = load_dataset_json(path, "Every raw dataset of nnU-Net has one.", labelled=False)
    positions = channel_positions(description, channels, folder.name)
    complete: list[RawCase] = []
    failed: dict[str, str] = {}
    for identifier, (images, label) in sorted(_listed(folder, description).items()):
        try:
            files = _files_of(identifier, images, channels, positions, description["file_ending"])
            if label is None and "dataset" not in description:
                _refuse_other_ending(folder / "labelsTr", identifier, description["file_ending"])
        except ValueError as error:
            failed[identifier] = str(error)
            continue
        complete.append(RawCase(identifier, files, label))
    if not complete:
        raise ValueError(f"{folder} has no complete case: " + _few([f"{k}: {v}" for k, v in failed.items()], "; "))
    return complete, failed


def _files_of(
    identifier: str, images: dict[int, Path], channels: Sequence[str], positions: Sequence[int], ending: str
) -> tuple[str, ...]:
    """The files of the wanted channels.

    Raises:
        ValueError: A channel has no file, a file has another ending, or nnU-Net would not find the case.
    """
    if identifier.endswith("_seg"):
        raise ValueError("nnU-Net takes preprocessed files that end in _seg for labels. Rename the case.")
    if set(images) == {0} and [*positions] == [*range(len(channels))] != [0] and ending.lower() in COLOURS:
        # A photograph: its channels are its colours, in one file.
        return (str(images[0]),)
    missing = [channels[k] for k, position in enumerate(positions) if position not in images]
    if missing:
        raise ValueError(f"there is no image of channel {', '.join(missing)}")
    files = [images[p] for p in positions]
    others = sorted({ending_of(f) for f in files} - {ending.lower()})
    if others:
        raise ValueError(f"its dataset.json says {ending}, its images are {', '.join(others)}")
    return tuple(map(str, files))


def _refuse_other_ending(labels: Path, identifier: str, ending: str) -> None:
    """A label that nobody would find makes a case unlabelled without a word."""
    others = [labels / f"{identifier}{e}" for e in ENDINGS if e != ending and (labels / f"{identifier}{e}").is_file()]
    if others:
        raise ValueError(f"its label is {others[0].name}, its dataset.json says {ending}")


def _listed(folder: Path, description: dict[str, Any]) -> dict[str, tuple[dict[int, Path], str | None]]:
    """Case → images by channel, label."""
    if "dataset" in description:
        return _listed_by_name(folder, description["dataset"])
    labels = folder / "labelsTr"
    return {
        key: (images, _existing(labels / f"{key}{description['file_ending']}"))
        for key, images in channels_in(folder / "imagesTr").items()
    }


def _listed_by_name(folder: Path, listed: Any) -> dict[str, tuple[dict[int, Path], str | None]]:
    """The cases that a dataset.json lists itself: ``{"dataset": {case: {"images": […], "label": …}}}``.

    Raises:
        ValueError: An entry is no such list, or files do not exist.
    """
    where = f"{folder / 'dataset.json'}: dataset"
    if not isinstance(listed, dict):
        raise ValueError(f'{where} expects {{"CASE": {{"images": […], "label": …}}}}, found {str(listed)[:60]}.')
    result: dict[str, tuple[dict[int, Path], str | None]] = {}
    absent: list[str] = []
    for key, entry in listed.items():
        images: Any = entry.get("images") if isinstance(entry, dict) else None
        label = entry.get("label") if isinstance(entry, dict) else None
        good = isinstance(images, list) and images and all(isinstance(i, str) for i in images)
        if not good or not isinstance(label, (str, type(None))) or Path(key).name != key:
            raise ValueError(
                f'{where}: {key} expects {{"images": ["FILE", …], "label": "FILE"}}, the label only if there is one, '
                f"found {str(entry)[:60]}."
            )
        # Relative to the dataset, variables filled in: as nnU-Net, whose own function wants a label of every case.
        files = [folder / os.path.expandvars(i) for i in (*images, *([label] if label else []))]
        absent += [str(f) for f in files if not f.is_file()]
        result[key] = (dict(enumerate(files[: len(images)])), str(files[-1]) if label else None)
    if absent:
        raise ValueError(f"{where} lists {len(absent)} file(s) that do not exist: {_few(absent)}.")
    return result


def _existing(path: Path) -> str | None:
    return str(path) if path.is_file() else None


def _few(texts: Sequence[str], separator: str = ", ") -> str:
    return separator.join(texts[:5]) + (f"{separator}and {len(texts) - 5} more" if len(texts) > 5 else "")


def channel_positions(description: dict[str, Any], channels: Sequence[str], dataset: str) -> list[int]:
    """Index of each wanted channel among the dataset's files.

    As for nnU-Net the order of ``channel_names`` counts, not its keys, and names need not differ: of several with one
    name, the first that is wanted is the first that there is.

    Args:
        description: Content of the dataset's ``dataset.json``.
        channels: Names of the wanted channels, in their order.
        dataset: Name of the dataset, for the error.

    Raises:
        ValueError: The dataset lacks a channel, or has more of one name than are wanted.

    Example:
        >>> channel_positions({"channel_names": {"0": "CT", "1": "PET", "2": "CT"}}, ["PET", "CT", "CT"], "D")
        [1, 0, 2]
    """
    present = [_fold(name) for name in channel_names(description)]
    wanted = [_fold(name) for name in channels]
    missing = [name for name in channels if present.count(_fold(name)) < wanted.count(_fold(name))]
    if missing:
        raise ValueError(
            f"{dataset} has the channel(s) {', '.join(channel_names(description))}; the plans expect "
            f"{', '.join(channels)}, so {', '.join(dict.fromkeys(missing))} is missing. Use the plans' network for "
            f"fewer channels: --channels {' '.join(n for n in channels if n not in missing) or 'NAME'}; or rename the "
            "channels in its dataset.json if they are the same under other names."
        )
    unclear = [n for n in channels if present.count(_fold(n)) > wanted.count(_fold(n))]
    if unclear:
        raise ValueError(
            f"{dataset} has {present.count(_fold(unclear[0]))} channels named {unclear[0]} "
            f"({', '.join(channel_names(description))}), of which {wanted.count(_fold(unclear[0]))} is wanted: nobody "
            "knows which. Give them different names in its dataset.json."
        )
    places = {name: [k for k, p in enumerate(present) if p == name] for name in set(wanted)}
    return [places[name].pop(0) for name in wanted]


def _fold(name: str) -> str:
    return name.strip().casefold()


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
        ValueError: A channel is not one of the dataset's, or the plans are made for other numbers of channels.
    """
    chosen = channel_positions(dataset_json, channels, plans["dataset_name"])
    own = channel_names(dataset_json)
    plans, dataset_json = json.loads(json.dumps(plans)), json.loads(json.dumps(dataset_json))
    properties = plans["foreground_intensity_properties_per_channel"]
    plans["foreground_intensity_properties_per_channel"] = {str(k): properties[str(c)] for k, c in enumerate(chosen)}
    for name, configuration in plans["configurations"].items():
        for key in ("normalization_schemes", "use_mask_for_norm"):
            if key in configuration:
                if not isinstance(configuration[key], list) or len(configuration[key]) != len(own):
                    raise ValueError(
                        f"The plans {plans['plans_name']}: {name}: {key} expects an entry per channel, {len(own)}, "
                        f"found {shown(configuration[key])}."
                    )
                configuration[key] = [configuration[key][c] for c in chosen]
    dataset_json["channel_names"] = {str(k): own[c] for k, c in enumerate(chosen)}
    # nnU-Net counts this key of its first version where it is there.
    dataset_json.pop("modality", None)
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
