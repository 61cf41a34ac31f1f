"""Weights from anywhere, read without unpickling code: our files, nnU-Net's and nnssl's checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from nnunet_uad.common.nnunet import channel_names, resolved_configuration
from nnunet_uad.common.schema import Word, build
from nnunet_uad.weights.checkpoint import Checkpoint, read_checkpoint
from nnunet_uad.weights.record import PretrainRecord
from nnunet_uad.weights.safe_file import read_pretrained


@dataclass(frozen=True)
class SourceWeights:
    """Tensors by name and what is known about them.

    Attributes:
        path: File that they were read from.
        kind: Kind of the file: ``nnunet_uad``, ``safetensors``, ``nnunet`` or ``nnssl``.
        tensors: Tensors by name, on the CPU.
        record: Record of the pretraining, ``None`` for files that others wrote.
        channel_names: Names of the input channels in their order, empty if unknown.
        configuration: nnU-Net configuration that the weights belong to, empty if unknown.
        normalization: Normalisation scheme of nnU-Net, per channel; empty if unknown.
        spacing: Edge length of a voxel, mm, per axis of the patch; empty if unknown.
        trainer: Full name of the trainer that wrote the file, empty if unknown.
        dataset: Full name of the dataset that was trained on, empty if unknown.
        fold: Number of the fold that was trained, or ``all``; empty if unknown.
        plans: Name of the plans, empty if unknown.
        epoch: Length of the training when the file was written, epochs; ``None`` if unknown.
    """

    path: Path
    kind: str
    tensors: dict[str, torch.Tensor]
    record: PretrainRecord | None = None
    channel_names: tuple[str, ...] = ()
    configuration: str = ""
    normalization: tuple[str, ...] = ()
    spacing: tuple[float, ...] = ()
    trainer: str = ""
    dataset: str = ""
    fold: str = ""
    plans: str = ""
    epoch: int | None = None


@dataclass(frozen=True)
class _Configuration:
    """What a configuration of plans, nnU-Net's or nnssl's, says of the images that a network saw."""

    spacing: tuple[float, ...] | None = ()
    normalization_schemes: tuple[str, ...] | None = ()

    def __post_init__(self) -> None:
        if any(not s > 0 for s in self.spacing or ()):
            raise ValueError(f"spacing expects lengths > 0 in mm, found {list(self.spacing or ())}.")


@dataclass(frozen=True)
class _Dataset:
    """What a ``dataset.json`` says of the channels."""

    channel_names: dict[str, Word] = field(default_factory=dict)


@dataclass(frozen=True)
class _AdaptationPlan:
    """Where nnssl's networks keep encoder and stem, and what they were pretrained with."""

    key_to_encoder: str | None = None
    key_to_stem: str | None = None
    pretrain_plan: dict[str, Any] = field(default_factory=dict)


def read_weights(path: str | Path) -> SourceWeights:
    """Read a weight file by what it is, not by how it is called.

    Args:
        path: File of ours, a checkpoint of nnU-Net or of nnssl, or another safetensors file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is empty, truncated, of an unknown kind, or a pickle that would have to run code; its
            tensors are no weights, or not finite; what it says of itself is of a wrong type. Names the file.

    Example:
        >>> model = "nnUNet_results/Dataset901_Tumour/nnUNetPretrainerDAE__nnUNetPlans__2d"
        >>> read_weights(f"{model}/fold_0/pretrained.safetensors").channel_names
        ('FLAIR', 'T1')
        >>> read_weights(f"{model}/fold_0/checkpoint_final.pth").kind
        'nnunet'
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no weight file at {path}.")
    with path.open("rb") as handle:
        magic = handle.read(9)
    # A safetensors file starts with the length of its header, which may begin as a pickle or a zip does.
    header = magic[8:9] == b"{"
    whole = header and int.from_bytes(magic[:8], "little") <= path.stat().st_size
    if not whole and (magic[:2] == b"PK" or magic[:1] == b"\x80"):
        return _read_torch(path)
    if header:
        tensors, record = read_pretrained(path)
        return SourceWeights(path, "safetensors", tensors) if record is None else _of_record(path, tensors, record)
    raise ValueError(
        f"{path} is neither a safetensors file nor a PyTorch checkpoint (it starts with {magic!r}). Expected "
        "pretrained.safetensors of a pretrainer, a checkpoint_*.pth of nnU-Net or a checkpoint of nnssl."
    )


def _of_record(path: Path, tensors: dict[str, torch.Tensor], record: PretrainRecord) -> SourceWeights:
    return SourceWeights(
        path,
        "nnunet_uad",
        tensors,
        record,
        record.channel_names,
        record.configuration,
        record.normalization,
        record.spacing,
        record.trainer,
        record.dataset,
        record.fold,
        record.plans,
        record.epochs_trained,
    )


def _read_torch(path: Path) -> SourceWeights:
    checkpoint = read_checkpoint(path)
    weights = {_plain_name(name): tensor for name, tensor in checkpoint.weights.items()}
    # First: nnssl writes the arguments of its trainer, too, in a form of its own.
    if "nnssl_adaptation_plan" in checkpoint.content:
        return _of_nnssl(checkpoint, weights)
    return _of_nnunet(checkpoint, weights)


def _of_nnunet(checkpoint: Checkpoint, weights: dict[str, torch.Tensor]) -> SourceWeights:
    path, arguments = checkpoint.path, checkpoint.arguments
    dataset = build(_Dataset, _named(arguments.get("dataset_json", {})), f"{path}: dataset_json", ignore_unknown=True)
    name = arguments.get("configuration", "")
    return SourceWeights(
        path,
        "nnunet",
        weights,
        None,
        channel_names({"channel_names": dataset.channel_names}),
        name,
        *_seen(path, checkpoint.plans, name),
        trainer=checkpoint.trainer,
        dataset=str(checkpoint.plans.get("dataset_name", "")),
        fold=checkpoint.fold,
        plans=str(checkpoint.plans.get("plans_name", "")),
        epoch=checkpoint.content.get("current_epoch"),
    )


def _of_nnssl(checkpoint: Checkpoint, weights: dict[str, torch.Tensor]) -> SourceWeights:
    path = checkpoint.path
    where = f"{path}: nnssl_adaptation_plan"
    plan = build(_AdaptationPlan, _named(checkpoint.content["nnssl_adaptation_plan"]), where, ignore_unknown=True)
    configurations = plan.pretrain_plan.get("configurations")
    # nnssl keeps the one configuration that it trained with.
    name = next(iter(configurations)) if isinstance(configurations, dict) and len(configurations) == 1 else ""
    return SourceWeights(
        path,
        "nnssl",
        _rename_nnssl(weights, plan),
        None,
        (),
        name,
        *_seen(path, plan.pretrain_plan, name),
        trainer=checkpoint.trainer,
        dataset=str(plan.pretrain_plan.get("dataset_name", "")),
        fold=checkpoint.fold,
        plans=str(plan.pretrain_plan.get("plans_name", "")),
        epoch=checkpoint.content.get("current_epoch"),
    )


def _seen(path: Path, plans: Mapping[str, Any], name: str) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Normalisation and spacing of a configuration of plans; empty where the plans do not hold it."""
    configurations = plans.get("configurations")
    if not isinstance(configurations, Mapping) or name not in configurations:
        return (), ()
    try:
        content = resolved_configuration(plans, name)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path}: its plans have no usable configuration {name!r} ({error!r}).") from error
    seen = build(_Configuration, content, f"{path}: plans: configuration {name}", ignore_unknown=True)
    return seen.normalization_schemes or (), seen.spacing or ()


def _named(content: Mapping[Any, Any]) -> dict[str, Any]:
    """Keys as JSON has them: the file may hold numbers."""
    return {str(key): value for key, value in content.items()}


def _rename_nnssl(weights: Mapping[str, torch.Tensor], plan: _AdaptationPlan) -> dict[str, torch.Tensor]:
    """Nnssl says where encoder and stem lie in its weights; give them the names of nnU-Net's networks."""
    targets = {plan.key_to_encoder: "encoder.stages", plan.key_to_stem: "encoder.stem"}
    renamed = dict(weights)
    for prefix, target in targets.items():
        # PlainConvUNet's stem is its first stage: its key lies inside the encoder's and needs no name of its own.
        if not prefix or prefix == target or prefix.startswith("encoder.stages"):
            continue
        for name in weights:
            if name.startswith(f"{prefix}."):
                renamed[target + name[len(prefix) :]] = renamed.pop(name)
    return renamed


def _plain_name(name: str) -> str:
    """Names without the prefixes of DDP and ``torch.compile``."""
    for prefix in ("module.", "_orig_mod."):
        name = name.removeprefix(prefix)
    return name
