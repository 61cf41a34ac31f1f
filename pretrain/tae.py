"""Tile-wise autoencoder on the plan's own network."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager
from torch import nn

from nnunet_uad.common.channels import AUTO
from nnunet_uad.networks.recipe import PlanRecipe
from nnunet_uad.networks.tile_autoencoder import TileRecipe
from nnunet_uad.networks.tiles import check_grid, choose_grid
from nnunet_uad.pretrain.base import nnUNetPretrainer
from nnunet_uad.pretrain.pretrain_settings import PretrainSettings
from nnunet_uad.pretrain.task import Geometry, ReconstructionTask, StepResult, masked_mse


@dataclass(frozen=True)
class TAESettings(PretrainSettings):
    """Settings of the tile-wise autoencoder.

    Attributes:
        tile_grid: Tiles per axis of the patch, ``3x3``; ``auto``: up to four, as the patch and the total stride allow.
    """

    tile_grid: str = AUTO

    def grid(self, geometry: Geometry) -> tuple[int, ...]:
        """Tiles per axis for a plan.

        Args:
            geometry: Geometry of the patches.

        Raises:
            ValueError: No numbers, or a patch that cannot be cut like that.
        """
        if self.tile_grid == AUTO:
            grid = choose_grid(geometry.patch_size, geometry.total_stride)
        else:
            try:
                grid = tuple(int(n) for n in self.tile_grid.split("x"))
            except ValueError as error:
                raise ValueError(
                    f"tile_grid expects numbers of tiles per axis like 3x3, or auto, found {self.tile_grid!r}."
                ) from error
        check_grid(grid, geometry.patch_size, geometry.total_stride)
        return grid

    def recipe(self, manager: ConfigurationManager, channels: int) -> TileRecipe:
        """The plan's network without skip connections, its encoder on tiles."""
        return TileRecipe(PlanRecipe.of(manager, channels), self.grid(Geometry.of(manager)))


class TAETask(ReconstructionTask):
    """Reconstruct the image from what the encoder says of its tiles one by one."""

    method = "TAE"

    def __init__(self, settings: TAESettings, geometry: Geometry) -> None:
        super().__init__(settings, geometry)
        self.grid = settings.grid(geometry)

    def step(self, network: nn.Module, clean: torch.Tensor, foreground: torch.Tensor) -> StepResult:
        """Reconstruct patches (B, C, *spatial); nothing is corrupted: the tiles are the difficulty."""
        output = network(clean)
        return StepResult(masked_mse(output, clean, foreground), output, foreground)


class nnUNetPretrainerTAE(nnUNetPretrainer[TAESettings, TAETask]):
    """Tile-wise autoencoder; encoder and decoder are the plan's.

    Chen, https://arxiv.org/abs/2108.03823; journal: TAE-Seg, IEEE Transactions on Instrumentation and Measurement 71,
    2022.
    """

    settings_class = TAESettings
    task_class = TAETask

    def before_training(self) -> None:
        """Say how the patch is cut."""
        super().before_training()
        patch, grid = self.configuration_manager.patch_size, self.task.grid
        tile = [int(p) // n for p, n in zip(patch, grid, strict=True)]
        self.print_to_log_file(f"Tiles: {' x '.join(map(str, grid))} of {' x '.join(map(str, tile))} voxels.")
