"""Weights from anywhere, read without unpickling code: our files, nnU-Net's, nnssl's and AMAES' checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from nnunet_uad.common.nnunet import channel_names
from nnunet_uad.common.schema import Word, build
from nnunet_uad.weights.amaes import amaes_tensors, read_amaes
from nnunet_uad.weights.architecture import Architecture
from nnunet_uad.weights.checkpoint import Checkpoint, as_checkpoint, load_content
from nnunet_uad.weights.names import FILE_NAME
from nnunet_uad.weights.nnssl_plan import SECTION, cited, read_nnssl
from nnunet_uad.weights.record import PretrainRecord
from nnunet_uad.weights.safe_file import read_pretrained
from nnunet_uad.weights.seen import seen_by
from nnunet_uad.weights.source import SourceWeights


@dataclass(frozen=True)
class _Dataset:
    """What a ``dataset.json`` says of the channels."""

    channel_names: dict[str, Word] = field(default_factory=dict)


def read_weights(path: str | Path) -> SourceWeights:
    """Read a weight file by what it is, not by how it is called.

    Args:
        path: File of ours, a checkpoint of nnU-Net, nnssl or AMAES, or another safetensors file.

    Raises:
        FileNotFoundError: There is no such file, or it is a folder.
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
    if path.is_dir():
        raise FileNotFoundError(f"{path} is a folder. Name a file of weights in it, for example {path / FILE_NAME}.")
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
        "pretrained.safetensors of a pretrainer, a checkpoint_*.pth of nnU-Net, or a checkpoint of nnssl or AMAES."
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
        patch_size=record.patch_size,
        batch_size=record.batch_size,
        architecture=Architecture.of(
            record.architecture, record.architecture_kwargs, record.architecture_requires_import
        ),
        citation=record.citation,
    )


def _read_torch(path: Path) -> SourceWeights:
    content = load_content(path)
    if (tensors := amaes_tensors(content)) is not None:
        return read_amaes(path, tensors)
    checkpoint = as_checkpoint(path, content)
    weights = {_plain_name(name): tensor for name, tensor in checkpoint.weights.items()}
    # First: nnssl writes the arguments of its trainer, too, in a form of its own.
    if SECTION in checkpoint.content:
        return read_nnssl(checkpoint, weights)
    return _of_nnunet(checkpoint, weights)


def _of_nnunet(checkpoint: Checkpoint, weights: dict[str, torch.Tensor]) -> SourceWeights:
    path, arguments = checkpoint.path, checkpoint.arguments
    dataset = build(_Dataset, _named(arguments.get("dataset_json", {})), f"{path}: dataset_json", ignore_unknown=True)
    name = arguments.get("configuration", "")
    seen = seen_by(path, checkpoint.plans, name)
    # What nnU-Net's master keeps of nnssl's weights that a training started from.
    started = checkpoint.plans.get("pretrain_info")
    return SourceWeights(
        path,
        "nnunet",
        weights,
        None,
        channel_names({"channel_names": dataset.channel_names}),
        name,
        seen.normalization,
        seen.spacing,
        trainer=checkpoint.trainer,
        dataset=str(checkpoint.plans.get("dataset_name", "")),
        fold=checkpoint.fold,
        plans=str(checkpoint.plans.get("plans_name", "")),
        epoch=checkpoint.content.get("current_epoch"),
        use_mask_for_norm=seen.use_mask_for_norm,
        patch_size=seen.patch_size,
        batch_size=seen.batch_size,
        architecture=seen.architecture,
        citation=cited(started.get("citations")) if isinstance(started, Mapping) else "",
    )


def _named(content: Mapping[Any, Any]) -> dict[str, Any]:
    """Keys as JSON has them: the file may hold numbers."""
    return {str(key): value for key, value in content.items()}


def _plain_name(name: str) -> str:
    """Names without the prefixes of DDP and ``torch.compile``."""
    for prefix in ("module.", "_orig_mod."):
        name = name.removeprefix(prefix)
    return name
