"""Which channels stand beside the maps, and which file of a case a baseline names: ``intensity:FLAIR``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nnunet_uad.common.json_files import read_mapping
from nnunet_uad.common.nnunet import channel_names
from nnunet_uad.common.nnunet_files import load_dataset_json
from nnunet_uad.common.schema import build
from nnunet_uad.data.image_files import channels_in
from nnunet_uad.evaluation.floors import ROBUST_Z, Floor, every_floor, main_floor
from nnunet_uad.inference.names import MAPS_RECORD
from nnunet_uad.scoring.score_settings import ScoreSettings

#: Kind of baseline: the intensity, equalised case by case.
INTENSITY = "intensity"
#: Where names may come from, for the error.
_PLACES = "beside the images, in the record of the maps, in their model's folder or beside the labels"


@dataclass(frozen=True)
class Baselines:
    """What stands beside the maps.

    Attributes:
        floors: Floors, robust z at every scale, an entry per channel.
        equalised: Channel index per name of an equalised intensity.
        warnings: Sentences about what nobody could tell.
    """

    floors: tuple[Floor, ...] = ()
    equalised: dict[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def baselines_beside(
    typed: Sequence[str],
    images: Path,
    maps: Sequence[Path] = (),
    labels: Path | None = None,
    channels: Sequence[str] = (),
) -> Baselines:
    """What to show beside the maps of a folder: floors always, of the channels that were named or of the main one.

    Args:
        typed: Baselines as they were typed, ``robust_z:CHANNEL``, ``robust_z:-CHANNEL`` where lesions are dark, or
            ``intensity:CHANNEL``, which adds the equalised intensity to the floors of that channel. Without any, the
            floors are those of the channel that the score of the maps weights most.
        images: Folder of raw images.
        maps: Folders of the maps, whose record or model knows the channels and the score.
        labels: Folder of the labels, whose dataset may know the channels.
        channels: Names of the channels in the order of their files; looked up if empty.

    Raises:
        ValueError: A baseline of no such kind, or a channel that cannot be told; see :func:`baseline_channel`.
    """
    names = tuple(channels) or _known_names(images, maps, labels)
    score, scored = _score(maps)
    if not typed:
        return _main(score, scored, names, images)
    # The score knows the channels in the model's order, the files have one of their own.
    signs = {f.name.casefold(): f.sign for f in every_floor(score, scored or names)} if scored or names else {}
    floors: dict[tuple[int, int], Floor] = {}
    equalised: dict[str, int] = {}
    for baseline in typed:
        index = baseline_channel(baseline, images, maps, labels, channels)
        kind, _, name = baseline.partition(":")
        if kind == INTENSITY:
            equalised[baseline] = index
        dark = name.startswith("-") if kind == ROBUST_Z else False
        own_name = names[index].casefold() if index < len(names) else ""
        sign = -1 if dark else signs.get(own_name, 1)
        floors.setdefault((index, sign), Floor(index, name.removeprefix("-") if dark else name, sign))
    return Baselines(tuple(floors.values()), equalised)


def baseline_channel(
    baseline: str, images: Path, maps: Sequence[Path] = (), labels: Path | None = None, channels: Sequence[str] = ()
) -> int:
    """Index of the channel that a baseline names, by number or by name.

    Args:
        baseline: Baseline as it was typed, ``intensity:CHANNEL`` or ``robust_z:CHANNEL``.
        images: Folder of raw images.
        maps: Folders of the maps, whose record or model knows the channels.
        labels: Folder of the labels, whose dataset may know the channels.
        channels: Names of the channels in the order of their files; looked up if empty.

    Raises:
        ValueError: No such kind of baseline, nobody knows the names, or none or several channels have the name.

    Example:
        >>> baseline_channel("intensity:t1", Path("IMAGES"), channels=["FLAIR", "T1"])
        1
    """
    kind, _, channel = baseline.partition(":")
    if kind == ROBUST_Z:
        channel = channel.removeprefix("-")
    if kind not in (INTENSITY, ROBUST_Z) or not channel:
        raise ValueError(
            f"--baseline expects intensity:CHANNEL or robust_z:CHANNEL, for example robust_z:FLAIR, found {baseline!r}."
        )
    if channel.isdecimal():
        return int(channel)
    names = tuple(channels) or _known_names(images, maps, labels)
    if not names:
        raise ValueError(
            f"Nobody knows which file is the channel {channel!r}: there is no list of channels {_PLACES}. Name the "
            f"channels in the order of their files: --channels {channel} …, or give its number: {kind}:0"
        )
    found = [k for k, name in enumerate(names) if name.strip().casefold() == channel.strip().casefold()]
    if len(found) != 1:
        raise ValueError(
            f"{'Several channels are' if found else 'No channel is'} named {channel!r} ({', '.join(names)}). Name one "
            f"of them, or give its number: {kind}:{found[0] if found else 0}"
        )
    return found[0]


def _known_names(images: Path, maps: Sequence[Path], labels: Path | None) -> tuple[str, ...]:
    """Names of the channels from whoever knows them, the nearest to the images first."""
    described = _records(maps)
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


def score_of(record: Mapping[str, Any]) -> ScoreSettings:
    """The score of maps by their record; the default one if the record has none.

    Args:
        record: Record of a folder of maps.

    Raises:
        ValueError: The record holds a score that cannot be; says why.
    """
    return build(ScoreSettings, record.get("score", {}), "score of the maps", ignore_unknown=True)


def _records(maps: Sequence[Path]) -> list[dict[str, Any]]:
    paths = [folder / MAPS_RECORD for folder in maps]
    return [read_mapping(path) for path in paths if path.is_file()]


def _score(maps: Sequence[Path]) -> tuple[ScoreSettings, tuple[str, ...]]:
    """The score of the maps, and the channels that it was made for, empty where the record does not say."""
    record = next((r for r in _records(maps) if "score" in r), {})
    channels = record.get("channels")
    return score_of(record), tuple(map(str, channels)) if isinstance(channels, list) else ()


def _main(score: ScoreSettings, scored: tuple[str, ...], names: tuple[str, ...], images: Path) -> Baselines:
    """The floors of the channel that the score weights most; of the first where nobody knows which channel is which."""
    if scored or names:
        floor = main_floor(score, scored or names)
        if scored and names:
            # The model's channels may come in another order than the files.
            floor = replace(floor, channel=baseline_channel(f"{ROBUST_Z}:{floor.name}", images, channels=names))
        return Baselines((floor,))
    count = max(len(files) for files in channels_in(images).values())
    warning = (
        f"Nobody knows which of the {count} channels the maps look at: the floors are those of channel 0. "
        "Name another: --baseline robust_z:1"
    )
    return Baselines((Floor(0, "0"),), warnings=(warning,) if count > 1 else ())
