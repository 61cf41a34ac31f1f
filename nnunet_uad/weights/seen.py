"""What plans inside a checkpoint, nnU-Net's or nnssl's, say of the images that a network saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunet_uad.common.nnunet import resolved_configuration
from nnunet_uad.common.schema import build
from nnunet_uad.weights.architecture import Architecture


@dataclass(frozen=True)
class Seen:
    """What a configuration of plans says.

    Attributes:
        normalization: Normalisation scheme per channel; empty if unknown.
        spacing: Edge length of a voxel, mm per axis; empty if unknown, or if images were not resampled.
        use_mask_for_norm: Whether only voxels that are not zero were normalised, per channel; empty if unknown.
        patch_size: Patch, voxels per axis; empty if unknown.
        batch_size: Number of patches per step; 0 if unknown.
        architecture: Network of the configuration, ``None`` if unknown.
    """

    normalization: tuple[str, ...] = ()
    spacing: tuple[float, ...] = ()
    use_mask_for_norm: tuple[bool, ...] = ()
    patch_size: tuple[int, ...] = ()
    batch_size: int = 0
    architecture: Architecture | None = None


@dataclass(frozen=True)
class _Network:
    """The network; ``_kw_requires_import`` is looked at apart, as no field may be named so."""

    network_class_name: str = ""
    arch_kwargs: dict[str, Any] | None = None


@dataclass(frozen=True)
class _Configuration:
    """A configuration as far as it is used; nnU-Net's master writes no spacing as a list of nothing."""

    spacing: tuple[float | None, ...] | None = ()
    normalization_schemes: tuple[str, ...] | None = ()
    use_mask_for_norm: tuple[bool, ...] | bool | None = ()
    patch_size: tuple[float, ...] | None = ()
    batch_size: int | None = None
    architecture: _Network | None = None

    def __post_init__(self) -> None:
        if any(s is not None and not s > 0 for s in self.spacing or ()):
            raise ValueError(f"spacing expects lengths > 0 in mm, found {list(self.spacing or ())}.")
        whole_patch(self.patch_size)


def seen_by(path: Path, plans: Mapping[str, Any], name: str) -> Seen:
    """What a configuration says; nothing where the plans do not hold it.

    Args:
        path: File that the plans lie in, for errors.
        plans: Content of the plans.
        name: Name of one of their configurations.

    Raises:
        ValueError: The configuration is broken; names the file, the key, what is expected and what was found.
    """
    configurations = plans.get("configurations")
    if not isinstance(configurations, Mapping) or name not in configurations:
        return Seen()
    try:
        content = resolved_configuration(plans, name)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path}: its plans have no usable configuration {name!r} ({error!r}).") from error
    found = build(_Configuration, content, f"{path}: plans: configuration {name}", ignore_unknown=True)
    spacing = [s for s in found.spacing or () if s is not None]
    masks = found.use_mask_for_norm
    schemes = found.normalization_schemes or ()
    return Seen(
        schemes,
        tuple(spacing) if len(spacing) == len(found.spacing or ()) else (),
        (masks,) * len(schemes) if isinstance(masks, bool) else masks or (),
        whole_patch(found.patch_size),
        found.batch_size or 0,
        _network(content.get("architecture"), found.architecture),
    )


def whole_patch(patch: tuple[float, ...] | None) -> tuple[int, ...]:
    """A patch of whole voxels; nnssl writes some as 160.0.

    Args:
        patch: Voxels per axis.

    Raises:
        ValueError: A length is no whole number above 0.
    """
    if any(not p >= 1 or p != int(p) for p in patch or ()):
        raise ValueError(f"patch_size expects whole numbers >= 1, found {list(patch or ())}.")
    return tuple(int(p) for p in patch or ())


def _network(content: Any, found: _Network | None) -> Architecture | None:
    if found is None or not found.network_class_name:
        return None
    needed = content.get("_kw_requires_import") or ()
    names = tuple(n for n in needed if isinstance(n, str)) if isinstance(needed, (list, tuple)) else ()
    return Architecture.of(found.network_class_name, found.arch_kwargs, names)
