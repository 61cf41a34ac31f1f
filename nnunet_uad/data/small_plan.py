"""A smaller configuration inside existing plans, so that a laptop can run the whole chain."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from nnunetv2.experiment_planning.experiment_planners.network_topology import get_pool_and_conv_props
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunet_uad.common.bounds import BATCH_SIZE, PATCH_SIZE, VOXEL_SIZE, WIDTH
from nnunet_uad.common.files import write_json
from nnunet_uad.common.nnunet import FOLDER_NAME, ancestors, require_configuration
from nnunet_uad.common.nnunet_files import load_plans
from nnunet_uad.common.schema import shown
from nnunet_uad.data.complete_plans import require_complete

_PER_STAGE = ("n_conv_per_stage", "n_blocks_per_stage")
_PER_DECODER_STAGE = ("n_conv_per_stage_decoder",)
# nnU-Net's planner stops pooling where a feature map would be smaller than this.
_MIN_FEATURE_MAP = 4
#: Voxels per step that no device holds, far above what one does.
_MOST_VOXELS = 2**31


def small_configuration(
    plans: dict[str, Any],
    base: str,
    name: str,
    spacing: Sequence[float],
    patch_size: Sequence[int],
    features: Sequence[int],
    batch_size: int,
    where: str = "",
) -> dict[str, Any]:
    """Describe a configuration that inherits from ``base`` and differs in size.

    Args:
        plans: Content of a plans file.
        base: Configuration to inherit from (``2d``, ``3d_fullres``, …).
        name: Name of the new configuration; its preprocessed data get a folder of their own.
        spacing: Voxel size in mm, one value for all axes or one per axis of the patch.
        patch_size: Voxels per axis; must be divisible by the network's strides.
        features: Channels per stage; as many stages as entries.
        batch_size: Number of patches per step.
        where: File of the plans, for errors; their name if empty.

    Returns:
        The entry for ``plans["configurations"][name]``.

    Raises:
        ValueError: The base is unknown or broken, the number of axes wrong, or the patch too small for so many stages.
    """
    require_configuration(plans["plans_name"], plans["configurations"], base)
    check_new_name(plans, base, name)
    require_complete(plans, base, where)
    manager = PlansManager(copy.deepcopy(plans)).get_configuration(base)
    axes = len(manager.patch_size)
    spacing = [float(spacing[0])] * axes if len(spacing) == 1 else [float(s) for s in spacing]
    for what, values in {"--spacing": spacing, "--patch": patch_size}.items():
        if len(values) != axes:
            raise ValueError(f"{what} expects {axes} positive values for {base!r}, found {' '.join(map(str, values))}.")
    check_sizes(spacing, patch_size, features, batch_size)
    _, strides, kernels, fitted, divisor = get_pool_and_conv_props(
        spacing, list(patch_size), _MIN_FEATURE_MAP, len(features) - 1
    )
    if len(strides) != len(features):
        raise ValueError(
            f"A patch of {'x'.join(map(str, patch_size))} voxels allows {len(strides)} stages, --features asks for "
            f"{len(features)}. Use a larger patch or fewer features."
        )
    if list(fitted) != [int(p) for p in patch_size]:
        raise ValueError(
            f"The patch {'x'.join(map(str, patch_size))} is not divisible by the network's strides "
            f"{[int(d) for d in divisor]}; the next that is: --patch {' '.join(str(int(f)) for f in fitted)}"
        )
    return {
        "inherits_from": base,
        "data_identifier": f"{plans['plans_name']}_{name}",
        "batch_size": int(batch_size),
        "patch_size": [int(p) for p in patch_size],
        "spacing": spacing,
        "median_image_size_in_voxels": scaled_size(manager, spacing),
        "architecture": _resized_architecture(manager.configuration["architecture"], features, strides, kernels),
    }


def check_new_name(plans: Mapping[str, Any], base: str, name: str) -> None:
    """Refuse a name that folders cannot carry, or of a configuration that the new one would inherit from.

    Args:
        plans: Content of a plans file.
        base: Configuration to inherit from.
        name: Name of the new configuration.

    Raises:
        ValueError: Another name is needed; says why.
    """
    if not re.fullmatch(FOLDER_NAME, name):
        raise ValueError(
            f"--name expects a name like 2d_small, of at most 100 letters, without '__' or '/', found {shown(name)}."
        )
    parents = ancestors(plans, base)
    if name in parents:
        raise ValueError(f"--name {name} is what the new configuration would inherit from; choose another.")


def check_sizes(spacing: Sequence[float], patch_size: Sequence[int], features: Sequence[int], batch_size: int) -> None:
    """Refuse numbers that no network can be made of, or no memory holds.

    Args:
        spacing: Voxel size in mm per axis.
        patch_size: Voxels per axis.
        features: Channels per stage.
        batch_size: Number of patches per step.

    Raises:
        ValueError: One of them is out of its bounds; names the flag.
    """
    wanted = {
        "--spacing": (VOXEL_SIZE, spacing),
        "--patch": (PATCH_SIZE, patch_size),
        "--features": (WIDTH, features),
        "--batch": (BATCH_SIZE, [batch_size]),
    }
    for flag, (bounds, values) in wanted.items():
        wrong = [v for v in values if v not in bounds]
        if wrong or not values:
            raise ValueError(f"{flag} expects {bounds}, found {wrong[0] if wrong else 'nothing'}.")
    if batch_size * math.prod(patch_size) > _MOST_VOXELS:
        raise ValueError(
            f"--batch {batch_size} patches of {'x'.join(map(str, patch_size))} voxels are more than {_MOST_VOXELS} "
            "voxels per step, which no device holds. Use a smaller patch or batch."
        )


def add_configuration(path: Path, name: str, entry: dict[str, Any], overwrite: bool = False) -> None:
    """Write a configuration into a plans file, atomically.

    Args:
        path: Path of the plans file.
        name: Name of the configuration.
        entry: Description by :func:`small_configuration`.
        overwrite: Whether to replace a different configuration of that name.

    Raises:
        ValueError: The plans have a different configuration of that name.
    """
    plans = load_plans(path)
    old = plans["configurations"].get(name)
    if old is not None and old != entry and not overwrite:
        raise ValueError(
            f"{path} already has a different configuration {name!r}. Choose another --name, or replace it with "
            "--overwrite (then preprocess it again)."
        )
    plans["configurations"][name] = entry
    write_json(path, plans)


def scaled_size(manager: Any, spacing: Sequence[float]) -> list[float]:
    """Median image size on a new grid, voxels; leading axes that a 2D plan does not resample stay.

    Args:
        manager: Configuration whose median size is known.
        spacing: Voxel size of the new grid, mm per axis of the patch.
    """
    old = list(manager.median_image_size_in_voxels)
    factors = np.array(manager.spacing) / np.array(spacing)
    keep = len(old) - len(spacing)
    return [*map(float, old[:keep]), *(float(round(n * f)) for n, f in zip(old[keep:], factors, strict=True))]


def _resized_architecture(
    architecture: dict[str, Any], features: Sequence[int], strides: Any, kernels: Any
) -> dict[str, Any]:
    """The same class of network with other stages; repetition counts are those of the first stages."""
    resized = copy.deepcopy(architecture)
    arguments = resized["arch_kwargs"]
    stages = len(features)
    arguments["n_stages"] = stages
    arguments["features_per_stage"] = [int(f) for f in features]
    arguments["strides"] = [[int(v) for v in s] for s in strides]
    arguments["kernel_sizes"] = [[int(v) for v in k] for k in kernels]
    for key in _PER_STAGE:
        if key in arguments:
            arguments[key] = _resized_list(arguments[key], stages)
    for key in _PER_DECODER_STAGE:
        if key in arguments:
            arguments[key] = _resized_list(arguments[key], stages - 1)
    return resized


def _resized_list(values: Sequence[int], length: int) -> list[int]:
    """The first ``length`` values, the last one repeated where there are too few."""
    values = list(values)
    return (values + [values[-1]] * length)[:length]
