"""Weights from anywhere, read without unpickling code: our files, nnU-Net's and nnssl's checkpoints."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nnunet_uad.common.nnunet import channel_names
from nnunet_uad.weights.record import PretrainRecord
from nnunet_uad.weights.safe_file import read_pretrained

# The function that rebuilds a NumPy scalar; NumPy 1 and 2 keep it in differently named modules.
_NUMPY_SCALAR = np.float64(0).__reduce__()[0]
# nnU-Net's checkpoints hold logged NumPy scalars; rebuilding those runs no foreign code.
_SAFE_GLOBALS = [
    (_NUMPY_SCALAR, "numpy._core.multiarray.scalar"),
    (_NUMPY_SCALAR, "numpy.core.multiarray.scalar"),
    np.dtype,
    *(type(np.dtype(t)) for t in (np.float16, np.float32, np.float64, np.int32, np.int64, np.bool_)),
]


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
    """

    path: Path
    kind: str
    tensors: dict[str, torch.Tensor]
    record: PretrainRecord | None = None
    channel_names: tuple[str, ...] = ()
    configuration: str = ""


def read_weights(path: str | Path) -> SourceWeights:
    """Read a weight file by what it is, not by how it is called.

    Args:
        path: File of ours, a checkpoint of nnU-Net or of nnssl, or another safetensors file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is truncated, of an unknown kind, or a pickle that would have to run code.

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
        if record is None:
            return SourceWeights(path, "safetensors", tensors)
        return SourceWeights(path, "nnunet_uad", tensors, record, record.channel_names, record.configuration)
    raise ValueError(
        f"{path} is neither a safetensors file nor a PyTorch checkpoint (it starts with {magic!r}). Expected "
        "pretrained.safetensors of a pretrainer, a checkpoint_*.pth of nnU-Net or a checkpoint of nnssl."
    )


def _read_torch(path: Path) -> SourceWeights:
    try:
        # An open file: given a path, torch.load would judge by the ending.
        with torch.serialization.safe_globals(_SAFE_GLOBALS), path.open("rb") as handle:
            content = torch.load(handle, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path} is a pickle that would have to run code to be read, which is refused: {_first_line(error)}. "
            "Use the pretrained.safetensors beside it, or a checkpoint saved by nnU-Net or nnssl themselves."
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError) as error:
        raise ValueError(
            f"{path} cannot be read as a PyTorch checkpoint; it may be truncated: {_first_line(error)}. Copy it "
            "again or repeat the training that wrote it."
        ) from error
    if not isinstance(content, Mapping) or not isinstance(content.get("network_weights"), Mapping):
        keys = ", ".join(map(str, content)) if isinstance(content, Mapping) else type(content).__name__
        raise ValueError(f"{path} holds no 'network_weights' (found: {keys[:200]}): no nnU-Net checkpoint.")
    weights = {_plain_name(name): tensor for name, tensor in content["network_weights"].items()}
    if "nnssl_adaptation_plan" in content and "init_args" not in content:
        return SourceWeights(path, "nnssl", _rename_nnssl(weights, content["nnssl_adaptation_plan"]))
    arguments = content.get("init_args", {})
    dataset_json = arguments.get("dataset_json", {})
    return SourceWeights(
        path,
        "nnunet",
        weights,
        channel_names=channel_names(dataset_json) if "channel_names" in dataset_json else (),
        configuration=str(arguments.get("configuration", "")),
    )


def _rename_nnssl(weights: Mapping[str, torch.Tensor], plan: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Nnssl says where encoder and stem lie in its weights; give them the names of nnU-Net's networks."""
    targets = {plan.get("key_to_encoder"): "encoder.stages", plan.get("key_to_stem"): "encoder.stem"}
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


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
