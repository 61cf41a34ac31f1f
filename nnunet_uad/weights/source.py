"""Weights of a file and what is known about them, whoever wrote it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from nnunet_uad.weights.architecture import Architecture
from nnunet_uad.weights.record import PretrainRecord

#: Kinds of files whose weights were made for images of other kinds.
FOR_OTHERS = ("nnssl", "amaes")


@dataclass(frozen=True)
class SourceWeights:
    """Tensors by name and what is known about them.

    Attributes:
        path: File that they were read from.
        kind: Kind of the file: ``nnunet_uad``, ``safetensors``, ``nnunet``, ``nnssl`` or ``amaes``.
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
        use_mask_for_norm: Whether only voxels that are not zero were normalised, per channel; empty if unknown.
        patch_size: Patch that the network is to see, voxels per axis; empty if unknown.
        batch_size: Number of patches per step; 0 if unknown.
        architecture: Network that the weights belong to, ``None`` if unknown.
        citation: Publications to cite, empty if unknown.
        remarks: Differences from the network of a plan in any case, as sentences without a full stop.
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
    use_mask_for_norm: tuple[bool, ...] = ()
    patch_size: tuple[int, ...] = ()
    batch_size: int = 0
    architecture: Architecture | None = None
    citation: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def dimension(self) -> int | None:
        """2 or 3, from the highest rank of any weight; ``None`` for weights without convolutions."""
        rank = max((t.ndim for t in self.tensors.values()), default=0)
        return rank - 2 if rank in (4, 5) else None

    @property
    def channels(self) -> int | None:
        """Number of input channels of the first convolution; ``None`` for weights without one."""
        for start in ("encoder.stem.", "encoder.stages.0."):
            for name, tensor in self.tensors.items():
                if name.startswith(start) and tensor.ndim >= 4:
                    return tensor.shape[1]
        return None
