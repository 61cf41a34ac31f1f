"""The configuration that a weight file wants, inside the plans of another dataset."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager

from nnunet_uad.common.nnunet import channel_names, require_configuration
from nnunet_uad.data.complete_plans import require_complete
from nnunet_uad.data.small_plan import check_new_name, check_sizes, scaled_size
from nnunet_uad.weights.architecture import PLANNED, Architecture
from nnunet_uad.weights.printable import by
from nnunet_uad.weights.source import SourceWeights
from nnunet_uad.weights.suitability import TransferTarget, check_suits
from nnunet_uad.weights.transfer import places

#: What nnU-Net's master takes for weights that do not say (experiment_planning/like_nnssl.py, commit 0e49508).
_BATCH_SIZE = 2
_CT = "CTNormalization"


@dataclass(frozen=True)
class Like:
    """A configuration made after a weight file.

    Attributes:
        entry: Entry for ``plans["configurations"][name]``.
        differences: Differences that remain from what the weights have seen, as sentences without a full stop.
    """

    entry: dict[str, Any]
    differences: tuple[str, ...]


def configuration_like(
    source: SourceWeights,
    plans: dict[str, Any],
    dataset_json: Mapping[str, Any],
    base: str,
    name: str,
    spacing: Sequence[float] = (),
    patch_size: Sequence[int] = (),
    batch_size: int = 0,
    where: str = "",
) -> Like:
    """Describe a configuration with the network, spacing, normalisation, patch and batch of a weight file.

    What the file does not say is taken from the dataset's own configuration, and said.

    Args:
        source: Weights as they were read.
        plans: Content of the plans of the dataset.
        dataset_json: Content of the dataset's ``dataset.json``.
        base: Configuration to inherit everything else from (``2d``, ``3d_fullres``, …).
        name: Name of the new configuration; its preprocessed data get a folder of their own.
        spacing: Voxel size in mm, one value or one per axis, instead of the file's.
        patch_size: Voxels per axis, instead of the file's.
        batch_size: Number of patches per step, instead of the file's.
        where: File of the plans, for errors; their name if empty.

    Raises:
        ValueError: The weights are of another dimension, of a network that plans cannot describe, or of other channels;
            or the sizes do not fit the network. Says what was expected and what was found.
    """
    require_configuration(plans["plans_name"], plans["configurations"], base)
    check_new_name(plans, base, name)
    require_complete(plans, base, where)
    manager = PlansManager(copy.deepcopy(plans)).get_configuration(base)
    architecture = _network(source, base, len(manager.patch_size))
    channels = channel_names(dataset_json)
    _check_channels(source, channels)
    sizes = _Sizes.of(source, manager, spacing, patch_size, batch_size)
    _check_divisible(source, architecture, sizes.patch_size)
    schemes, masks = _normalization(source, manager, channels)
    entry = {
        "inherits_from": base,
        "data_identifier": f"{plans['plans_name']}_{name}",
        "batch_size": sizes.batch_size,
        "patch_size": list(sizes.patch_size),
        "spacing": list(sizes.spacing),
        "median_image_size_in_voxels": scaled_size(manager, sizes.spacing),
        "normalization_schemes": schemes,
        "use_mask_for_norm": masks,
        "architecture": architecture.in_plans(),
    }
    made = {**plans, "configurations": {**plans["configurations"], name: entry}}
    require_complete(made, name, where, len(channels))
    target = TransferTarget.from_plans(PlansManager(copy.deepcopy(made)), name, dict(dataset_json))
    words = [*check_suits(source, target, accept_mismatch=True), *sizes.words]
    return Like(entry, (*words, *_channel_words(source, target)))


@dataclass(frozen=True)
class _Sizes:
    """Numbers of the new configuration, and where they are not the file's."""

    spacing: tuple[float, ...]
    patch_size: tuple[int, ...]
    batch_size: int
    words: tuple[str, ...]

    @classmethod
    def of(
        cls,
        source: SourceWeights,
        manager: ConfigurationManager,
        spacing: Sequence[float],
        patch_size: Sequence[int],
        batch_size: int,
    ) -> _Sizes:
        """What was asked for, else what the file says, else what the dataset's own configuration says."""
        axes, words = len(manager.patch_size), []
        lengths = tuple(float(s) for s in (spacing or source.spacing or manager.spacing))
        lengths = lengths * axes if len(lengths) == 1 else lengths
        patch = tuple(int(p) for p in (patch_size or source.patch_size or manager.patch_size))
        for flag, values in {"--spacing": lengths, "--patch": patch}.items():
            if len(values) != axes:
                raise ValueError(f"{flag} expects {axes} values for {source.path}, found {' '.join(map(str, values))}.")
        if source.patch_size and patch != source.patch_size:
            words.append(f"patch: {by(patch)} voxels instead of the file's {by(source.patch_size)}")
        if not source.patch_size and not patch_size:
            words.append(f"patch: the file does not say; {by(patch)} voxels are this dataset's own (--patch)")
        if not source.spacing and not spacing:
            words.append(f"spacing: {by(lengths)} mm are this dataset's own (--spacing)")
        batch = batch_size or source.batch_size or _BATCH_SIZE
        if not batch_size and not source.batch_size:
            words.append(f"batch: the file does not say; {batch} patches per step (--batch)")
        check_sizes(lengths, patch, [1], batch)
        return cls(lengths, patch, batch, tuple(words))


def _network(source: SourceWeights, base: str, axes: int) -> Architecture:
    """The network of the file, if plans can describe it.

    Raises:
        ValueError: They cannot, or it has another number of axes than the configuration.
    """
    architecture = source.architecture
    if architecture is None or not architecture.is_planned:
        found = "does not say its network" if architecture is None else f"is for {architecture.in_words()}"
        raise ValueError(
            f"{source.path} {found}; plans can be made for weights of {' and '.join(PLANNED)} with its arguments. "
            "Use a pretrained.safetensors, a checkpoint_*.pth of nnU-Net, a ResEncL checkpoint of nnssl (as "
            "ResEncL-OpenMind-MAE), or a U-Net of AMAES."
        )
    if source.dimension not in (None, axes):
        other = "-c 3d_fullres" if source.dimension == 3 else "-c 2d"
        raise ValueError(
            f"{source.path} holds {source.dimension}D weights, configuration {base!r} is {axes}D: inherit from one of "
            f"{source.dimension} axes, as {other}."
        )
    return architecture


def _check_channels(source: SourceWeights, channels: Sequence[str]) -> None:
    """Refuse weights that have seen none of the dataset's channels; without names nobody can tell.

    Raises:
        ValueError: No name in common.
    """
    if source.channel_names and all(place is None for place in places(channels, source.channel_names)):
        raise ValueError(
            f"{source.path} was trained on {', '.join(source.channel_names)}; this dataset has "
            f"{', '.join(channels)}, no channel of the same name. Choose other weights, or name the channels alike in "
            "dataset.json if they are the same."
        )


def _check_divisible(source: SourceWeights, architecture: Architecture, patch: Sequence[int]) -> None:
    """Refuse a patch that the strides of the network do not divide.

    Raises:
        ValueError: They do not; names the next that is.
    """
    strides = [[s] * len(patch) if isinstance(s, int) else s for s in architecture.arguments.get("strides", [])]
    factors = [math.prod(s[axis] for s in strides) for axis in range(len(patch))]
    if any(p % f for p, f in zip(patch, factors, strict=True)):
        fitting = " ".join(str(-(-p // f) * f) for p, f in zip(patch, factors, strict=True))
        raise ValueError(
            f"The patch {by(patch)} is not divisible by {by(factors)}, the strides of the network in "
            f"{source.path}; the next that is: --patch {fitting}"
        )


def _normalization(
    source: SourceWeights, manager: ConfigurationManager, channels: Sequence[str]
) -> tuple[list[str], list[bool]]:
    """Scheme and mask per channel: the file's, found by name; of a file without names its only one, or by place."""
    schemes, masks = list(manager.normalization_schemes), list(manager.use_mask_for_norm)
    given = source.normalization
    if len(source.channel_names) == len(given):
        found = places(channels, source.channel_names)
    elif len(given) == len(channels):
        found = list(range(len(given)))
    else:
        found = [0 if len(set(given)) == 1 else None] * len(channels)
    for channel, place in enumerate(found):
        if place is not None and given:
            schemes[channel] = given[place]
            if len(source.use_mask_for_norm) == len(given):
                masks[channel] = source.use_mask_for_norm[place]
    return schemes, masks


def _channel_words(source: SourceWeights, target: TransferTarget) -> list[str]:
    """What happens to channels that the file does not have, and to CT."""
    words = []
    count = len(target.channel_names)
    if source.channel_names:
        found = places(target.channel_names, source.channel_names)
        new = [c for c, place in zip(target.channel_names, found, strict=True) if place is None]
        if new:
            words.append(f"channels: {', '.join(new)} not in the file; start from the mean of its channels")
    elif source.channels not in (None, count):
        words.append(f"channels: {source.channels} without names in the file, {count} here; start from their mean")
    if _CT in target.normalization:
        words.append(f"normalisation: {_CT} uses the intensities of this dataset, not of the one that was trained on")
    return words
