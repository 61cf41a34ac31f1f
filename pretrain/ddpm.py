"""Diffusion model of healthy anatomy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager
from torch import nn

from nnunet_uad.common.bounds import Bounds, PositiveSize, ShareBelowOne
from nnunet_uad.networks.averaged import AveragedNetwork
from nnunet_uad.networks.diffusion import DiffusionRecipe
from nnunet_uad.pretrain.base import nnUNetPretrainer
from nnunet_uad.pretrain.pretrain_settings import PretrainSettings
from nnunet_uad.pretrain.task import Geometry, ReconstructionTask, StepResult, masked_l1
from nnunet_uad.restoration.diffusion import TRAIN_STEPS, DiffusionProcess

_Time = Annotated[int, Bounds(0, TRAIN_STEPS - 1)]


@dataclass(frozen=True)
class DDPMSettings(PretrainSettings):
    """Settings of the diffusion model.

    Attributes:
        diffusion_noise: Kind of noise, ``coarse``, ``simplex`` or ``white``.
        diffusion_cell_mm: Cell of the coarse noise, or wavelength of the simplex noise's first octave, mm.
        diffusion_width: Channels of the network's first level; 0: twice those of the plan's first stage.
        diffusion_levels: Levels of the network; 0: three, two for small patches, four for very large ones.
        conditioned: Whether an encoder of the input image shifts the network's features (cDDPM).
        ema_decay: Decay per step of the moving average of the weights, which reconstructs.
        test_times: Time steps whose one-step reconstructions are averaged.
        ddim_start: Time step from which several DDIM steps lead to the reconstruction instead; 0: one step.
        ddim_steps: Number of these steps.
    """

    diffusion_noise: str = "coarse"
    diffusion_cell_mm: PositiveSize = 16.0
    diffusion_width: Annotated[int, Bounds(0, 4096, multiple_of=4)] = 0
    diffusion_levels: Annotated[int, Bounds(0, 10)] = 0
    conditioned: bool = False
    ema_decay: ShareBelowOne = 0.999
    test_times: tuple[_Time, ...] = (250, 500, 750)
    ddim_start: _Time = 0
    ddim_steps: Annotated[int, Bounds(1, TRAIN_STEPS - 1)] = 10

    def recipe(self, manager: ConfigurationManager, channels: int) -> DiffusionRecipe:
        """A diffusion network sized from the plan."""
        return DiffusionRecipe.of(manager, channels, self.diffusion_width, self.diffusion_levels, self.conditioned)


class DDPMTask(ReconstructionTask):
    """Predict the clean patch from any stage of its diffusion; L1."""

    method = "DDPM"
    restoration: DiffusionProcess

    def __init__(self, settings: DDPMSettings, geometry: Geometry) -> None:
        super().__init__(settings, geometry)
        self.restoration = DiffusionProcess(
            geometry.spacing,
            settings.diffusion_noise,
            settings.diffusion_cell_mm,
            settings.test_times,
            settings.ddim_start,
            settings.ddim_steps,
        )

    def step(self, network: nn.Module, clean: torch.Tensor, foreground: torch.Tensor) -> StepResult:
        """Noise to a random time step, estimate the clean patches (B, C, *spatial), compare in the foreground."""
        output = self.restoration.reconstruct_in_training(network, clean)
        return StepResult(masked_l1(output, clean, foreground), output, foreground)


class nnUNetPretrainerDDPM(nnUNetPretrainer[DDPMSettings, DDPMTask]):
    """Diffusion model of healthy anatomy; what reconstructs is the moving average of its weights.

    Behrendt et al., MIDL 2024, PMLR 250:87-102, whose conditioned model is https://arxiv.org/abs/2312.04215; Ho et al.,
    NeurIPS 2020, https://arxiv.org/abs/2006.11239; AnoDDPM: Wyatt et al., CVPRW 2022,
    https://doi.org/10.1109/CVPRW56347.2022.00080.
    """

    settings_class = DDPMSettings
    task_class = DDPMTask
    # Attention looks at the coarsest grid, and most memory goes into the finest: deeper networks take less of both.
    memory_advice = "diffusion_width (the network's channels) lower, or diffusion_levels higher (a coarser grid)"

    @classmethod
    def make_network(cls, settings: DDPMSettings, manager: ConfigurationManager, channels: int) -> nn.Module:
        """The diffusion network with its moving average."""
        return AveragedNetwork(settings.recipe(manager, channels).build(), settings.ema_decay)

    @staticmethod
    def networks(network: nn.Module) -> dict[str, nn.Module]:
        """The network that learns and the moving average of its weights."""
        return dict(network.named_children())

    @staticmethod
    def restoring(network: nn.Module) -> nn.Module:
        """The moving average."""
        return network.average

    def after_step(self) -> None:
        """Move the average."""
        self.bare_network.update(self.current_epoch * self.num_iterations_per_epoch + self._iteration - 1)
