"""``pretrained.safetensors``: weights and record in one file that cannot run code."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import nn

from nnunet_uad.common.files import atomic_path
from nnunet_uad.weights.names import FILE_NAME
from nnunet_uad.weights.record import PretrainRecord
from nnunet_uad.weights.tensors import check_tensors

__all__ = ["FILE_NAME", "canonical_tensors", "read_pretrained", "read_record", "write_pretrained"]

HEADER_KEY = "nnunet_uad"
#: Key of a header's metadata, and bytes that say how long the header is: the format of safetensors.
_METADATA, _LENGTH = "__metadata__", 8


def canonical_tensors(network: nn.Module) -> dict[str, torch.Tensor]:
    """Every parameter and buffer of a network once, of whatever shape, under its first name.

    nnU-Net's networks register most tensors under several names (``conv`` and ``all_modules``, ``encoder`` and
    ``decoder.encoder``); a file needs one.

    Args:
        network: Network of any kind.
    """
    tensors = {name: p.detach() for name, p in network.named_parameters()}
    tensors.update((name, b.detach()) for name, b in network.named_buffers())
    return tensors


def write_pretrained(path: str | Path, tensors: Mapping[str, torch.Tensor], record: PretrainRecord) -> None:
    """Write weights and record atomically: at no instant is there half a file under this name.

    Args:
        path: File to write.
        tensors: Tensors of any shape by name, on any device.
        record: Record of the pretraining.
    """
    on_cpu = {name: t.detach().to("cpu").contiguous().clone() for name, t in tensors.items()}
    content = save(on_cpu, metadata={"format": "pt", HEADER_KEY: record.to_json()})
    size = int.from_bytes(content[:_LENGTH], "little")
    header = _in_order(json.loads(content[_LENGTH : _LENGTH + size]))
    # Written by us rather than by safetensors, whose files only their owner may read.
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(len(header).to_bytes(_LENGTH, "little") + header)
        file.write(memoryview(content)[_LENGTH + size :])


def _in_order(header: dict[str, Any]) -> bytes:
    """The header with its metadata in order: safetensors shuffles it, and equal weights would differ in their hash."""
    header[_METADATA] = dict(sorted(header[_METADATA].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    # Tensors begin at a multiple of 8 bytes.
    return text + b" " * (-len(text) % _LENGTH)


def read_pretrained(path: str | Path) -> tuple[dict[str, torch.Tensor], PretrainRecord | None]:
    """Read weights and record.

    Args:
        path: File to read.

    Returns:
        Tensors of any shape by name, on the CPU, and the record, ``None`` for a safetensors file that is not ours.

    Raises:
        ValueError: The file is truncated or no safetensors file, its tensors are no weights or not finite, or its
            record cannot be read; names the file.
    """
    with _opened(path) as handle:
        metadata = handle.metadata() or {}
        tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
    check_tensors(Path(path), tensors)
    return tensors, _record(path, metadata) if HEADER_KEY in metadata else None


def read_record(path: str | Path) -> PretrainRecord:
    """The record of a file that a pretrainer wrote; its weights are not read.

    Args:
        path: File to read, a ``pretrained.safetensors``.

    Raises:
        ValueError: The file is unreadable, or not one of ours.

    Example:
        >>> model = "nnUNet_results/Dataset901_Tumour/nnUNetPretrainerDAE__nnUNetPlans__2d"
        >>> record = read_record(f"{model}/fold_0/pretrained.safetensors")
        >>> record.method, record.channel_names, record.spacing
        ('DAE', ('FLAIR', 'T1'), (2.0, 2.0))
    """
    with _opened(path) as handle:
        metadata = handle.metadata() or {}
    if HEADER_KEY not in metadata:
        raise ValueError(f"{path} carries no pretraining record, so nobody knows which cases it has seen.")
    return _record(path, metadata)


@contextmanager
def _opened(path: str | Path) -> Iterator[Any]:
    """A safetensors file; what is wrong with it, in its header or its tensors, is told with its name."""
    try:
        with safe_open(path, framework="pt", device="cpu") as handle:
            yield handle
    except FileNotFoundError:
        raise
    except Exception as error:
        # Of damaged headers the library raises anything: SafetensorError, KeyError, RuntimeError …
        raise ValueError(
            f"{path} is not a readable safetensors file ({error}). It may be truncated or renamed; copy it again "
            "or repeat the pretraining that wrote it (--c finishes an interrupted one)."
        ) from error


def _record(path: str | Path, metadata: Mapping[str, str]) -> PretrainRecord:
    try:
        return PretrainRecord.from_json(metadata[HEADER_KEY])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
