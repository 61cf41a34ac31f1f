"""Tile-wise autoencoder (Chen, arXiv 2108.03823; TAE-Seg, IEEE TIM 71, 2022) on the plan's own network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager
from torch import nn

from nnunet_uad.common.settings import SETTINGS_VARIABLE
from nnunet_uad.networks.reconstruction import build_plan_network
from nnunet_uad.networks.tile_autoencoder import TileAutoencoder
from nnunet_uad.networks.tiles import check_grid, choose_grid
from nnunet_uad.pretrain.base import PretrainSettings, nnUNetPretrainer
from nnunet_uad.pretrain.task import ReconstructionTask, masked_mse

AUTO = "auto"


@dataclass(frozen=True)
class TAESettings(PretrainSettings):
    """Settings of the tile-wise autoencoder.

    Attributes:
        tile_grid: tiles per axis of the patch, ``3x3``; ``auto``: up to four, as the patch and the total stride allow.
    """

    tile_grid: str = AUTO

    def grid(self, patch_size: tuple[int, ...], total_stride: tuple[int, ...]) -> tuple[int, ...]:
        """Tiles per axis for a plan.

        Raises:
            ValueError: no numbers, or a patch that cannot be cut like that.
        """
        if self.tile_grid == AUTO:
            grid = choose_grid(patch_size, total_stride)
        else:
            try:
                grid = tuple(int(n) for n in self.tile_grid.split("x"))
            except ValueError as error:
                raise ValueError(
                    f"{SETTINGS_VARIABLE}: tile_grid expects numbers of tiles per axis like 3x3, or auto, found "
                    f"{self.tile_grid!r}."
                ) from error
        check_grid(grid, patch_size, total_stride)
        return grid


class TAETask(ReconstructionTask):
    """Restore the image from what the encoder says of its tiles one by one."""

    method = "TAE"
    citation = (
        "Chen: Towards to Robust and Generalized Medical Image Segmentation Framework, arXiv 2108.03823, 2021; "
        "TAE-Seg, IEEE Transactions on Instrumentation and Measurement 71, 2022"
    )

    def __init__(self, settings: TAESettings, **geometry: tuple) -> None:
        super().__init__(**geometry)
        self.grid = settings.grid(self.patch_size, self.total_stride)

    def forward(self, network: nn.Module, clean: torch.Tensor, foreground: torch.Tensor) -> dict[str, torch.Tensor]:
        """Nothing is corrupted: the tiles are the difficulty."""
        output = network(clean)
        return {"loss": masked_mse(output, clean, foreground), "output": output, "weight": foreground}

    def reconstruct(self, network: nn.Module, image: torch.Tensor, extra: torch.Tensor) -> torch.Tensor:
        """The network's output."""
        return network(image)


class nnUNetPretrainerTAE(nnUNetPretrainer):
    """Tile-wise autoencoder; encoder and decoder are the plan's."""

    settings_class = TAESettings
    task_class = TAETask
    settings: Any
    task: Any

    @classmethod
    def make_network(cls, settings: Any, manager: ConfigurationManager, channels: int) -> nn.Module:
        """The plan's network without skip connections, its encoder on tiles."""
        grid = cls.make_task(settings, manager).grid
        return TileAutoencoder(build_plan_network(manager, channels, channels), grid)

    def before_training(self) -> None:
        """Say how the patch is cut."""
        super().before_training()
        patch, grid = self.configuration_manager.patch_size, self.task.grid
        tile = [int(p) // n for p, n in zip(patch, grid, strict=True)]
        self.print_to_log_file(f"Tiles: {' x '.join(map(str, grid))} of {' x '.join(map(str, tile))} voxels.")
