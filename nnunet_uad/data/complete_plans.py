"""Plans that somebody may have edited: what nnU-Net needs of a configuration is there, fits, and can be built."""

from __future__ import annotations

import copy
import importlib.util
import inspect
import io
import pydoc
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import dynamic_network_architectures
import nnunetv2
import torch
from nnunetv2.utilities.find_class_by_name import recursive_find_python_class
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager

from nnunet_uad.common.bounds import WIDTH, Bounds, Finite
from nnunet_uad.common.nnunet import ConfigurationForm, resolved_configuration
from nnunet_uad.common.schema import build, shown

_Axis = Annotated[int, Bounds(0, 2)]
_Length = Annotated[float, Bounds(0, 1e6, without_low=True)]
_Order = Annotated[int, Bounds(0, 5)]
#: Networks that are built as a check; others may need more than their plans say.
_KNOWN_NETWORKS = "dynamic_network_architectures.architectures."
_OWN_PACKAGES = ("torch.nn.", "dynamic_network_architectures.")
_CT = "CTNormalization"
_STATISTICS, _OLD_STATISTICS = (f"foreground_intensity_properties_{n}" for n in ("per_channel", "by_modality"))
_REPETITIONS = ("n_conv_per_stage", "n_blocks_per_stage", "n_conv_per_stage_decoder")
#: Far more stages, and blocks in one, than networks have.
_MOST_STAGES = 100


@dataclass(frozen=True)
class _CTStatistics:
    """What nnU-Net normalises CT by, in the image's units."""

    mean: Finite
    std: Annotated[float, Bounds(0, 1e12, without_low=True)]
    percentile_00_5: Finite
    percentile_99_5: Finite


@dataclass(frozen=True)
class _Resampling:
    """Arguments of nnU-Net's own ways of resampling; others may have more."""

    is_seg: bool = False
    order: _Order = 3
    order_z: _Order = 0
    force_separate_z: bool | None = None


@dataclass(frozen=True)
class _Norm:
    """Arguments of normalising layers."""

    eps: Annotated[float, Bounds(0, 1, without_low=True)] = 1e-5
    affine: bool = True


@dataclass(frozen=True)
class _Nonlin:
    """Arguments of activations."""

    inplace: bool = False


@dataclass(frozen=True)
class _UNet:
    """What nnU-Net's own networks take, besides what building one tells."""

    conv_bias: bool = False
    norm_op_kwargs: _Norm | None = None
    nonlin_kwargs: _Nonlin | None = None
    dropout_op_kwargs: dict[str, Any] | None = None


@dataclass(frozen=True)
class _Architecture:
    """The network; ``_kw_requires_import`` is looked at apart, as no field may be named so."""

    network_class_name: str
    arch_kwargs: dict[str, Any]


@dataclass(frozen=True)
class _Whole(ConfigurationForm):
    """What nnU-Net reads of a configuration besides."""

    preprocessor_name: str
    normalization_schemes: list[str]
    use_mask_for_norm: list[bool]
    resampling_fn_data: str
    resampling_fn_data_kwargs: _Resampling
    resampling_fn_seg: str
    resampling_fn_seg_kwargs: _Resampling
    resampling_fn_probabilities: str
    resampling_fn_probabilities_kwargs: _Resampling
    median_image_size_in_voxels: list[_Length]
    batch_dice: bool
    architecture: _Architecture | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.data_identifier.strip() or "/" in self.data_identifier or self.data_identifier.startswith("."):
            raise ValueError(f"data_identifier expects the name of a folder, found {shown(self.data_identifier)}.")
        if len(self.normalization_schemes) != len(self.use_mask_for_norm) or not self.normalization_schemes:
            raise ValueError(
                f"normalization_schemes and use_mask_for_norm expect an entry per channel, found "
                f"{len(self.normalization_schemes)} and {len(self.use_mask_for_norm)}."
            )
        if not len(self.patch_size) <= len(self.median_image_size_in_voxels) <= 3:
            raise ValueError(
                f"median_image_size_in_voxels expects {len(self.patch_size)} axes, found "
                f"{shown(self.median_image_size_in_voxels)}."
            )


@dataclass(frozen=True)
class _Top:
    """What nnU-Net reads of the plans themselves."""

    image_reader_writer: str
    transpose_forward: list[_Axis]
    transpose_backward: list[_Axis]
    foreground_intensity_properties_per_channel: dict[str, dict[str, Any]]
    label_manager: str = field(default="LabelManager")

    def __post_init__(self) -> None:
        forward, backward = self.transpose_forward, self.transpose_backward
        if sorted(forward) != [0, 1, 2] or sorted(backward) != [0, 1, 2] or [forward[b] for b in backward] != [0, 1, 2]:
            raise ValueError(
                f"transpose_forward and transpose_backward expect orders of the axes 0, 1, 2 that undo each other, "
                f"found {forward} and {backward}."
            )


def require_complete(plans: Mapping[str, Any], name: str, where: str = "", channels: int = 0) -> dict[str, Any]:
    """Refuse plans whose configuration nnU-Net cannot preprocess or train with.

    Args:
        plans: Content of the plans.
        name: Name of one of their configurations.
        where: File of the plans, for the error; their name if empty.
        channels: Number of channels of the dataset; any if 0.

    Returns:
        The configuration with what it inherits.

    Raises:
        ValueError: Something lacks, is of a wrong kind, or names nothing that nnU-Net has; names plans and key.
    """
    where = where or f"{plans.get('plans_name')}.json of {plans.get('dataset_name')}"
    inside = f"{where}: {name}"
    try:
        configuration = resolved_configuration(plans, name)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    build(_Whole, configuration, inside, ignore_unknown=True)
    schemes = configuration["normalization_schemes"]
    if channels and len(schemes) != channels:
        raise ValueError(
            f"{inside}: normalization_schemes expects an entry per channel of dataset.json, {channels}, found "
            f"{shown(schemes)}."
        )
    statistics = plans.get(_STATISTICS, plans.get(_OLD_STATISTICS))
    build(_Top, {**plans, _STATISTICS: statistics}, where, ignore_unknown=True)
    # Plans of nnU-Net's first versions say the network in other keys, which ConfigurationManager translates.
    if configuration.get("architecture", configuration.get("UNet_class_name")) is None:
        raise ValueError(f"{inside} lacks architecture.")
    _check_statistics(statistics, schemes, where)
    manager = PlansManager(copy.deepcopy(dict(plans)))
    chosen = _found(lambda: manager.get_configuration(name), inside, "architecture")
    _check_names(manager, chosen, where, inside)
    _check_network(chosen, f"{inside}: architecture")
    return configuration


def _found(find: Callable[[], Any], where: str, key: str, found: Any = "") -> Any:
    """What nnU-Net finds by a name of the plans.

    Raises:
        ValueError: It finds nothing; names the key.
    """
    try:
        with redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = find()
    except Exception as error:
        # Whatever nnU-Net's search ends by: assertions, attributes of None, imports.
        raise ValueError(f"{where}: {key} cannot be used{_quoted(found)}: {type(error).__name__}: {error}") from error
    if result is None:
        raise ValueError(f"{where}: {key} expects a name that nnU-Net knows{_quoted(found)}.")
    return result


def _quoted(found: Any) -> str:
    return f", found {shown(found)}" if found else ""


def _check_statistics(statistics: Mapping[str, Mapping[str, Any]], schemes: Sequence[str], where: str) -> None:
    for channel, scheme in enumerate(schemes):
        if str(channel) not in statistics:
            raise ValueError(f"{where}: {_STATISTICS} lacks channel {channel}; it has: {shown(list(statistics))}.")
        if scheme == _CT:
            build(_CTStatistics, statistics[str(channel)], f"{where}: {_STATISTICS}: {channel}", ignore_unknown=True)


def _check_names(plans: PlansManager, chosen: ConfigurationManager, where: str, inside: str) -> None:
    _found(lambda: plans.image_reader_writer_class, where, "image_reader_writer", plans.plans["image_reader_writer"])
    _found(lambda: plans.label_manager_class, where, "label_manager", plans.plans.get("label_manager"))
    _found(lambda: chosen.preprocessor_class, inside, "preprocessor_name", chosen.preprocessor_name)
    for key in ("resampling_fn_data", "resampling_fn_seg", "resampling_fn_probabilities"):
        function = _found(lambda k=key: getattr(chosen, k), inside, key, chosen.configuration[key])  # type: ignore[misc]
        _found(lambda f=function: inspect.signature(f).bind(*[None] * 4), inside, f"{key}_kwargs")  # type: ignore[misc]
    folder = str(Path(nnunetv2.__path__[0]) / "preprocessing" / "normalization")
    for scheme in dict.fromkeys(chosen.normalization_schemes):
        found = lambda s=scheme: recursive_find_python_class(folder, s, "nnunetv2.preprocessing.normalization")  # noqa: E731
        _found(found, inside, "normalization_schemes", scheme)


def _check_network(chosen: ConfigurationManager, where: str) -> None:
    """Refuse a network that cannot be made, or cannot take the patch; without memory for its weights.

    Raises:
        ValueError: It cannot; says why.
    """
    needed = chosen.configuration["architecture"].get("_kw_requires_import")
    arguments = chosen.network_arch_init_kwargs
    if not isinstance(needed, list) or not all(isinstance(key, str) and key in arguments for key in needed):
        raise ValueError(f"{where}: _kw_requires_import expects names of arch_kwargs, found {shown(needed)}.")
    layers = {key: arguments[key] for key in needed if arguments[key] is not None}
    for key, layer in layers.items():
        _found(lambda n=layer: _network_class(n), where, f"arch_kwargs: {key}", layer)  # type: ignore[misc]
    name = chosen.network_arch_class_name
    _found(lambda: _network_class(name), where, "network_class_name", name)
    if not name.startswith(_KNOWN_NETWORKS) or not all(_is_known_layer(layer) for layer in layers.values()):
        return
    build(_UNet, arguments, f"{where}: arch_kwargs", ignore_unknown=True)
    wide = [f for f in _listed(arguments.get("features_per_stage")) if not isinstance(f, int) or f not in WIDTH]
    if wide or len(_listed(arguments.get("features_per_stage"))) > _MOST_STAGES:
        raise ValueError(f"{where}: arch_kwargs: features_per_stage expects {WIDTH} per stage, found {shown(wide)}.")
    for key in ("n_stages", *_REPETITIONS):
        for value in _listed(arguments.get(key, 1)):
            if type(value) is not int or not 1 <= value <= _MOST_STAGES:
                raise ValueError(
                    f"{where}: arch_kwargs: {key} expects whole numbers from 1 to {_MOST_STAGES}, found {shown(value)}."
                )
    axes = len(chosen.patch_size)
    for key in ("kernel_sizes", "strides"):
        for size in _listed(arguments.get(key, 1)):
            whole = all(type(v) is int and 1 <= v <= _MOST_STAGES for v in _listed(size))
            if not whole or (isinstance(size, list) and len(size) != axes):
                raise ValueError(
                    f"{where}: arch_kwargs: {key} expects whole numbers from 1, {axes} per stage, found {shown(size)}."
                )

    def made() -> torch.Size:
        """Shape of what the network makes of a batch of two patches."""
        channels = len(chosen.normalization_schemes)
        with torch.device("meta"), torch.no_grad():
            network = get_network_from_plans(name, arguments, needed, channels, 2, False, False)
            shape: torch.Size = network(torch.empty(2, channels, *chosen.patch_size)).shape
        return shape

    shape = _found(made, where, "arch_kwargs")
    if tuple(shape[2:]) != tuple(chosen.patch_size):
        raise ValueError(
            f"{where}: arch_kwargs: strides make {list(shape[2:])} of patch_size {list(chosen.patch_size)}."
        )


def _network_class(name: str) -> Any:
    """A class of PyTorch or of nnU-Net's networks, or where one of that name may lie.

    Nothing else is imported: plans that somebody sent must not choose what runs here.
    """
    if not re.fullmatch(r"[A-Za-z_][\w.]{0,300}", name):
        return None
    if name.startswith(_OWN_PACKAGES) and _is_layer(found := pydoc.locate(name)):
        return found
    # NnU-Net also looks for classes that have moved; read here, not imported, which would take seconds.
    wanted = re.compile(rf"^class {name.split('.')[-1]}\b", re.MULTILINE)
    folder = Path(dynamic_network_architectures.__path__[0]) / "architectures"
    moved = next((f for f in folder.rglob("*.py") if wanted.search(f.read_text(encoding="utf-8"))), None)
    other = not name.startswith(_OWN_PACKAGES) and "." in name and importlib.util.find_spec(name.split(".")[0])
    return moved or other or None


def _is_known_layer(name: str) -> bool:
    return name.startswith(_OWN_PACKAGES) and _is_layer(pydoc.locate(name))


def _is_layer(found: Any) -> bool:
    # Not whatever a module happens to import, such as torch.os.system.
    return isinstance(found, type) and issubclass(found, torch.nn.Module)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]
