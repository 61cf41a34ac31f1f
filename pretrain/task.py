"""A pretraining task: what is corrupted and compared in a training step, and how the trained network is used."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager
from torch import nn

from nnunet_uad.methods import METHODS
from nnunet_uad.metrics.reconstruction import explained_variance_sums
from nnunet_uad.restoration.base import Restoration


@dataclass(frozen=True)
class Geometry:
    """What a task must know of the patches it is trained on.

    Attributes:
        spacing: Voxel size per axis of the patch, mm.
        patch_size: Voxels per axis.
        total_stride: Product of the network's strides per axis.
    """

    spacing: tuple[float, ...]
    patch_size: tuple[int, ...]
    total_stride: tuple[int, ...]

    @classmethod
    def of(cls, manager: ConfigurationManager) -> Geometry:
        """The geometry of a plan's configuration."""
        strides = np.prod(manager.pool_op_kernel_sizes, axis=0)
        return cls(tuple(manager.spacing), tuple(manager.patch_size), tuple(int(s) for s in strides))


@dataclass
class StepResult:
    """What a training or validation step gives; everything stays on the device.

    Attributes:
        loss: Loss to minimise, a scalar.
        output: Network's answer (B, C, *spatial), where the quality is measured on it.
        weight: Voxels that count, boolean (B, 1, *spatial), where there is an output.
        parts: Scalars for the log by name, of a loss of several parts.
    """

    loss: torch.Tensor
    output: torch.Tensor | None = None
    weight: torch.Tensor | None = None
    parts: dict[str, torch.Tensor] = field(default_factory=dict)


class PretrainTask:
    """What a method of stage one learns; need not reconstruct images.

    Subclasses give :meth:`step`. The monitored quality is minus the loss unless they have a better one.

    Args:
        settings: Settings of the method.
        geometry: Geometry of the patches.
    """

    #: Name of the method in the pretraining record.
    method: str
    #: How the trained network reconstructs or scores images; ``None`` for methods that do neither: they have no maps.
    restoration: Restoration | None = None
    #: Name of the monitored quality, where nnU-Net's logger says ``mean_fg_dice``.
    quality_name: str = "minus_loss"
    #: Finished share of the training, in [0, 1]; the trainer keeps it.
    progress: float = 0.0

    def __init__(self, settings: Any, geometry: Geometry) -> None:
        #: Settings of the method, an instance of the pretrainer's settings class.
        self.settings = settings

    @property
    def citation(self) -> str:
        """Reference to cite, in words; empty for methods that are not listed."""
        return METHODS[self.method].citation if self.method in METHODS else ""

    def step(self, network: nn.Module, clean: torch.Tensor, foreground: torch.Tensor) -> StepResult:
        """The loss of a batch, and what the quality is measured on.

        Args:
            network: Network in training.
            clean: Augmented patches (B, C, *spatial), z-score units.
            foreground: Mask (B, 1, *spatial) of the voxels inside the image.
        """
        raise NotImplementedError(f"{type(self).__name__} has no step to train with.")

    def concerns(self, means: dict[str, float]) -> list[str]:
        """What is wrong with the training, in words.

        Args:
            means: Mean over an epoch of every part of the loss, by name.
        """
        return []

    def quality_sums(self, result: StepResult, clean: torch.Tensor) -> torch.Tensor:
        """Two sums over a validation batch from which :meth:`quality` follows; they add up over batches and ranks.

        Args:
            result: Result of :meth:`step`.
            clean: Patches of the batch (B, C, *spatial).
        """
        return torch.stack([result.loss.float(), torch.ones_like(result.loss, dtype=torch.float32)])

    def quality(self, first: float, second: float) -> float:
        """The monitored quality, higher is better: here minus the mean loss.

        Args:
            first: First sum of :meth:`quality_sums` over all batches and ranks.
            second: Second sum.
        """
        return -first / max(second, 1.0)


class ReconstructionTask(PretrainTask):
    """Reconstruct the clean patch from a corrupted one.

    Subclasses say how to corrupt and which voxels count; the loss is the mean squared error over those voxels, the
    quality the explained variance (R², at most 1).
    """

    restoration: Restoration = Restoration()
    quality_name = "R2"

    def corrupt(self, clean: torch.Tensor, foreground: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Corrupt a batch on its device.

        Args:
            clean: Patches (B, C, *spatial), z-score units.
            foreground: Mask (B, 1, *spatial) of the voxels inside the image.

        Returns:
            The corrupted batch and the voxels that the loss counts, boolean (B, 1, *spatial).
        """
        raise NotImplementedError(f"{type(self).__name__} has a step of its own.")

    def step(self, network: nn.Module, clean: torch.Tensor, foreground: torch.Tensor) -> StepResult:
        """Corrupt, reconstruct, compare the patches (B, C, *spatial)."""
        return self.step_towards(clean, network, clean, foreground)

    def step_towards(
        self, target: torch.Tensor, network: nn.Module, image: torch.Tensor, foreground: torch.Tensor
    ) -> StepResult:
        """As :meth:`step`, compared with something else.

        Args:
            target: Patches (B, C, *spatial) that are to be reconstructed.
            network: Network in training.
            image: Patches (B, C, *spatial) that are corrupted.
            foreground: Mask (B, 1, *spatial) of the voxels inside the image.
        """
        corrupted, weight = self.corrupt(image, foreground)
        output = network(corrupted)
        return StepResult(masked_mse(output, target, weight), output, weight)

    def quality_sums(self, result: StepResult, clean: torch.Tensor) -> torch.Tensor:
        """Squared error and variance, scalars, over the voxels that count."""
        if result.output is None or result.weight is None:
            raise TypeError(f"{type(self).__name__}.step gave no output; its quality cannot be the explained variance.")
        return torch.stack(explained_variance_sums(result.output, clean, result.weight))

    def quality(self, first: float, second: float) -> float:
        """The explained variance."""
        return 1.0 - first / max(second, 1e-12)


def masked_l1(output: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """As :func:`masked_mse` for the absolute error |output − target|.

    Args:
        output: Tensor (B, C, *spatial), any float type.
        target: Tensor of the same shape.
        weight: Mask (B, 1, *spatial) of the voxels that count.
    """
    return _masked_mean((output.to(torch.float32) - target.to(torch.float32)).abs(), weight)


def masked_mse(output: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Mean of (output − target)² over the voxels of ``weight`` and all channels; 0 where there are none.

    Args:
        output: Tensor (B, C, *spatial), any float type.
        target: Tensor of the same shape.
        weight: Mask (B, 1, *spatial) of the voxels that count.
    """
    return _masked_mean((output.to(torch.float32) - target.to(torch.float32)) ** 2, weight)


def _masked_mean(error: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    weight = weight.to(torch.float32)
    return (error * weight).sum() / (weight.sum() * error.shape[1]).clamp(min=1.0)


def check_task(task: PretrainTask, trainer: str) -> None:
    """Refuse a task that could not be trained or validated, before any work starts.

    Args:
        task: Task of a trainer.
        trainer: Name of the trainer, for the message.

    Raises:
        TypeError: No name of the method, no step, nothing that corrupts, or a restoration that is none.
        ValueError: A restoration that neither reconstructs nor detects.
    """
    kind = type(task).__name__
    if not isinstance(getattr(task, "method", None), str):
        raise TypeError(f"{trainer}: {kind} has no name of its method, which records carry. Give it method = NAME.")
    corrupts = not isinstance(task, ReconstructionTask) or type(task).corrupt is not ReconstructionTask.corrupt
    if type(task).step is ReconstructionTask.step and not corrupts:
        raise TypeError(f"{trainer}: {kind} has neither corrupt(clean, foreground) nor a step of its own.")
    if type(task).step is PretrainTask.step:
        raise TypeError(f"{trainer}: {kind} has no step(network, clean, foreground) to train with.")
    restoration = task.restoration
    if restoration is None:
        return
    if not isinstance(restoration, Restoration):
        raise TypeError(
            f"{trainer}: the restoration of {kind} is {restoration!r}. Expected a Restoration "
            "(nnunet_uad.restoration.base), or None for a method without anomaly maps."
        )
    if not (restoration.reconstructs or restoration.detects):
        raise ValueError(
            f"{trainer}: {type(restoration).__name__} neither reconstructs nor detects, so there is nothing to make "
            "an anomaly map of. Give the task restoration = None."
        )
