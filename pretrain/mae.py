"""Masked autoencoder on the plan's own U-Net: the peer to compare with."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch

from nnunet_uad.common.bounds import ASCENDING, Bounds, WidthOrAuto
from nnunet_uad.corruption.blocks import RandomBlocks
from nnunet_uad.pretrain.base import nnUNetPretrainer
from nnunet_uad.pretrain.pretrain_settings import PretrainSettings
from nnunet_uad.pretrain.target import TargetSection
from nnunet_uad.pretrain.task import Geometry, ReconstructionTask
from nnunet_uad.restoration.hidden_blocks import HiddenBlocks

#: Neither nothing nor everything is hidden.
_Hidden = Annotated[float, Bounds(0, 1, without_low=True, without_high=True)]
_HiddenRange = Annotated[tuple[_Hidden, _Hidden], ASCENDING]


@dataclass(frozen=True)
class MAESettings(TargetSection, PretrainSettings):
    """Settings of the masked autoencoder.

    Attributes:
        mask_ratio: Range of the hidden share of blocks.
        block_size: Voxels per axis of a block; 0 takes the plan's total stride, at most ``largest_block``.
        largest_block: Limit of ``block_size=0``, voxels; 0: none, a block is what one position of the bottleneck
            stands for.
    """

    before: ClassVar[dict[str, Any]] = {"largest_block": 16}

    mask_ratio: _HiddenRange = (0.6, 0.75)
    block_size: WidthOrAuto = 0
    largest_block: WidthOrAuto = 16

    def check_given(self, keys: Collection[str]) -> None:
        """Refuse a limit beside a size that needs none.

        Args:
            keys: Names of the settings that somebody gave.

        Raises:
            ValueError: Both were given.
        """
        super().check_given(keys)
        if self.block_size and "largest_block" in keys:
            raise ValueError(
                f"largest_block limits block_size=0, found block_size={self.block_size} beside it: leave one of them "
                "out."
            )

    def blocks(self, geometry: Geometry) -> tuple[int, ...]:
        """Voxels per axis of a block.

        Args:
            geometry: Geometry of the patches.

        Raises:
            ValueError: One block covers a patch, so that nothing of it would be visible.
        """
        limit = self.largest_block or max(geometry.total_stride)
        block = tuple(self.block_size or min(limit, stride) for stride in geometry.total_stride)
        if all(edge >= n for edge, n in zip(block, geometry.patch_size, strict=True)):
            found, patch = (" x ".join(map(str, size)) for size in (block, geometry.patch_size))
            raise ValueError(
                f"block_size expects blocks of which a patch of {patch} voxels holds several, found {found}: nothing "
                f"would be visible. Choose fewer than {max(geometry.patch_size)}."
            )
        return block


class MAETask(ReconstructionTask):
    """Fill hidden blocks from what is visible."""

    method = "MAE"

    def __init__(self, settings: MAESettings, geometry: Geometry) -> None:
        super().__init__(settings, geometry)
        block = settings.blocks(geometry)
        self.blocks = RandomBlocks(block, settings.mask_ratio)
        # As many groups as bring the share hidden in one pass close to the share hidden in training.
        groups = max(2, round(1 / (1 - sum(settings.mask_ratio) / 2)))
        self.restoration = HiddenBlocks(block, groups)

    def corrupt(self, clean: torch.Tensor, foreground: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Set random blocks of the patches (B, C, *spatial) to zero; the loss counts the hidden foreground."""
        hidden = self.blocks.draw(clean)
        return clean.masked_fill(hidden, 0.0), hidden & foreground


class nnUNetPretrainerMAE(nnUNetPretrainer[MAESettings, MAETask]):
    """Masked autoencoder: hidden blocks on the plan's own network.

    Wald et al., CVPR 2025, https://arxiv.org/abs/2410.23132; He et al., CVPR 2022, https://arxiv.org/abs/2111.06377.
    """

    settings_class = MAESettings
    task_class = MAETask
