"""Masked autoencoder on the plan's own U-Net (Wald et al., CVPR 2025): the peer to compare with."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from nnunet_uad.corruption.blocks import RandomBlocks
from nnunet_uad.pretrain.base import PretrainSettings, nnUNetPretrainer
from nnunet_uad.pretrain.task import ReconstructionTask


@dataclass(frozen=True)
class MAESettings(PretrainSettings):
    """Settings of the masked autoencoder.

    Attributes:
        mask_ratio: range of the hidden share of blocks.
        block_size: voxels per axis of a block; 0 takes the plan's total stride, at most 16.
    """

    mask_ratio: tuple[float, float] = (0.6, 0.75)
    block_size: int = 0


class MAETask(ReconstructionTask):
    """Fill hidden blocks from what is visible."""

    method = "MAE"
    citation = (
        "Wald et al.: Revisiting MAE Pre-training for 3D Medical Image Segmentation, CVPR 2025; "
        "He et al.: Masked Autoencoders Are Scalable Vision Learners, CVPR 2022"
    )

    def __init__(self, settings: MAESettings, **geometry: tuple) -> None:
        super().__init__(**geometry)
        block = [settings.block_size or min(16, stride) for stride in self.total_stride]
        self.blocks = RandomBlocks(block, settings.mask_ratio)
        # As many groups as bring the share hidden in one pass close to the share hidden in training.
        self.groups = max(2, round(1 / (1 - sum(settings.mask_ratio) / 2)))

    def corrupt(self, clean: torch.Tensor, foreground: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Set random blocks to zero; the loss counts the hidden foreground."""
        hidden = self.blocks.draw(clean)
        return clean.masked_fill(hidden, 0.0), hidden & foreground

    def extra_channels(self, foreground: np.ndarray, channels: int, seed: int) -> np.ndarray:
        """The group of every voxel's block, drawn once per volume: one channel."""
        generator = torch.Generator().manual_seed(seed)
        axes, shape = len(self.blocks.block_size), foreground.shape
        size = tuple(shape[-axes:])
        # A 2D plan gets an independent drawing for every slice.
        volume = torch.empty((math.prod(shape[:-axes]), 1, *size))
        return self.blocks.partition(volume, self.groups, generator).view(1, *shape).float().numpy()

    def reconstruct(self, network: nn.Module, image: torch.Tensor, extra: torch.Tensor) -> torch.Tensor:
        """Every voxel as predicted while hidden: the mean over the passes that hide it.

        In pass k only group k is visible, so each voxel is hidden in all passes but one.
        """
        total = torch.zeros_like(image)
        group = extra[:, :1].round()
        for k in range(self.groups):
            hidden = group != k
            total += network(image.masked_fill(hidden, 0.0)) * hidden
        return total / (self.groups - 1)


class nnUNetPretrainerMAE(nnUNetPretrainer):
    """Masked autoencoder: hidden blocks on the plan's own network."""

    settings_class = MAESettings
    task_class = MAETask
