"""Which file of a case is the channel that a baseline names: ``intensity:FLAIR``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from nnunet_uad.common.json_files import read_mapping
from nnunet_uad.common.nnunet import channel_names
from nnunet_uad.common.nnunet_files import load_dataset_json
from nnunet_uad.inference.names import MAPS_RECORD

#: Where names may come from, for the error.
_PLACES = "beside the images, in the record of the maps, in their model's folder or beside the labels"


def baseline_channel(
    baseline: str, images: Path, maps: Sequence[Path] = (), labels: Path | None = None, channels: Sequence[str] = ()
) -> int:
    """Index of the channel that a baseline names, by number or by name.

    Args:
        baseline: Baseline as it was typed, ``intensity:CHANNEL``.
        images: Folder of raw images.
        maps: Folders of the maps, whose record or model knows the channels.
        labels: Folder of the labels, whose dataset may know the channels.
        channels: Names of the channels in the order of their files; looked up if empty.

    Raises:
        ValueError: Not ``intensity:CHANNEL``, nobody knows the names, or none or several channels have the name.

    Example:
        >>> baseline_channel("intensity:t1", Path("IMAGES"), channels=["FLAIR", "T1"])
        1
    """
    kind, _, channel = baseline.partition(":")
    if kind != "intensity" or not channel:
        raise ValueError(f"--baseline expects intensity:CHANNEL, for example intensity:FLAIR, found {baseline!r}.")
    if channel.isdecimal():
        return int(channel)
    names = tuple(channels) or _known_names(images, maps, labels)
    if not names:
        raise ValueError(
            f"Nobody knows which file is the channel {channel!r}: there is no list of channels {_PLACES}. Name the "
            f"channels in the order of their files: --channels {channel} …, or give its number: intensity:0"
        )
    found = [k for k, name in enumerate(names) if name.strip().casefold() == channel.strip().casefold()]
    if len(found) != 1:
        raise ValueError(
            f"{'Several channels are' if found else 'No channel is'} named {channel!r} ({', '.join(names)}). Name one "
            f"of them, or give its number: intensity:{found[0] if found else 0}"
        )
    return found[0]


def _known_names(images: Path, maps: Sequence[Path], labels: Path | None) -> tuple[str, ...]:
    """Names of the channels from whoever knows them, the nearest to the images first."""
    records = [folder / MAPS_RECORD for folder in maps]
    described = [read_mapping(path) for path in records if path.is_file()]
    if (path := images.resolve().parent / "dataset.json").is_file():
        return channel_names(load_dataset_json(path, labelled=False))
    for record in described:
        if isinstance(record.get("channels"), list) and record["channels"]:
            return tuple(map(str, record["channels"]))
    # A fold's own validation, then the model that a record names, then the dataset of the labels.
    models = [folder.resolve().parents[1] for folder in maps if len(folder.resolve().parents) > 1]
    results = Path(os.environ.get("nnUNet_results") or ".")
    named = [r["model"] for r in described if isinstance(r.get("model"), dict)]
    models += [results / str(m.get("dataset")) / str(m.get("folder")) for m in named]
    folders = [m for m in models if (m / "plans.json").is_file()] + ([labels.resolve().parent] if labels else [])
    for folder in folders:
        if (path := folder / "dataset.json").is_file():
            return channel_names(load_dataset_json(path, labelled=False))
    return ()
