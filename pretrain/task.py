"""A pretraining task: what is corrupted, what is compared, how an image is restored afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager
from torch import nn

from nnunet_uad.metrics.reconstruction import explained_variance_sums


class ReconstructionTask:
    """Reconstruct the clean patch from a corrupted one.

    Subclasses say how to corrupt and which voxels count; the loss is the mean squared error over those voxels.

    Args:
        spacing: voxel size in mm per spatial axis of the patch.
        patch_size: voxels per axis.
        total_stride: product of the network's strides per axis.
    """

    #: Whether the model restores images (:meth:`reconstruct`).
    restores = True
    #: Whether it scores images itself (:meth:`detect`).
    detects = False
    #: Finished share of the training, in [0, 1]; the trainer keeps it.
    progress = 0.0
    #: Name of the method in the pretraining record.
    method: str
    #: How to cite it.
    citation: str

    def __init__(self, spacing: Sequence[float], patch_size: Sequence[int], total_stride: Sequence[int]) -> None:
        self.spacing = tuple(spacing)
        self.patch_size = tuple(patch_size)
        self.total_stride = tuple(total_stride)

    def corrupt(self, clean: torch.Tensor, foreground: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Corrupt a batch on its device.

        Args:
            clean: (B, C, *spatial), z-score units.
            foreground: boolean (B, 1, *spatial).

        Returns:
            The corrupted batch and the voxels that the loss counts, boolean (B, 1, *spatial).
        """
        raise NotImplementedError(f"{type(self).__name__} has a forward of its own.")

    def forward(self, network: nn.Module, clean: torch.Tensor, foreground: torch.Tensor) -> dict[str, torch.Tensor]:
        """Corrupt, restore, compare.

        Returns:
            ``loss`` (a scalar), ``output`` (B, C, *spatial), ``weight`` (B, 1, *spatial) and, for a loss of several
            parts, ``parts``: name → scalar, for the log.
        """
        corrupted, weight = self.corrupt(clean, foreground)
        output = network(corrupted)
        return {"loss": masked_mse(output, clean, weight), "output": output, "weight": weight}

    def concerns(self, means: dict[str, float]) -> list[str]:
        """What is wrong with the training, in words.

        Args:
            means: of the parts over an epoch.
        """
        return []

    def quality_sums(self, result: dict[str, torch.Tensor], clean: torch.Tensor) -> torch.Tensor:
        """Two sums over a validation batch from which :meth:`quality` follows; they add up over batches and ranks.

        Args:
            result: of :meth:`forward`.
            clean: the batch.
        """
        return torch.stack(explained_variance_sums(result["output"], clean, result["weight"]))

    @staticmethod
    def quality(first: float, second: float) -> float:
        """The monitored quality, at most 1: here the explained variance."""
        return 1.0 - first / max(second, 1e-12)

    def describe(self, manager: ConfigurationManager, channels: int) -> dict[str, Any]:
        """How stage two rebuilds network and restoration; empty where it cannot restore with this method."""
        return {}

    def extra_channels(self, foreground: np.ndarray, channels: int, seed: int) -> np.ndarray | None:
        """Further channels (E, z, y, x) that :meth:`reconstruct` wants, drawn once for a volume.

        Args:
            foreground: boolean (z, y, x).
            channels: of the image.
            seed: of what is drawn.
        """
        return None

    def reconstruct(self, network: nn.Module, image: torch.Tensor, extra: torch.Tensor) -> torch.Tensor:
        """Pseudo-healthy image of the same shape (B, C, *spatial) as ``image``, which is not corrupted."""
        raise NotImplementedError(f"{type(self).__name__} does not restore images.")

    def detect(self, network: nn.Module, image: torch.Tensor) -> torch.Tensor:
        """Anomaly score (B, 1, *spatial), above 0, of an image (B, C, *spatial)."""
        raise NotImplementedError(f"{type(self).__name__} restores images; its residual is the score.")


def masked_l1(output: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """As :func:`masked_mse` for the absolute error."""
    return _masked_mean((output.to(torch.float32) - target.to(torch.float32)).abs(), weight)


def masked_mse(output: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Mean of (output − target)² over the voxels of ``weight`` and all channels; 0 where there are none.

    Args:
        output: (B, C, *spatial), any float type.
        target: of the same shape.
        weight: boolean (B, 1, *spatial).
    """
    return _masked_mean((output.to(torch.float32) - target.to(torch.float32)) ** 2, weight)


def _masked_mean(error: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    weight = weight.to(torch.float32)
    return (error * weight).sum() / (weight.sum() * error.shape[1]).clamp(min=1.0)
