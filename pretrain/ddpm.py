"""Diffusion model of healthy anatomy (Behrendt et al., MIDL 2024; AnoDDPM, Wyatt et al., CVPRW 2022)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager
from torch import nn

from nnunet_uad.common.settings import ANY_LENGTH, SETTINGS_VARIABLE
from nnunet_uad.networks.averaged import AveragedNetwork
from nnunet_uad.networks.diffusion import DiffusionNetwork, DiffusionShape, diffusion_shape
from nnunet_uad.pretrain.base import PretrainSettings, nnUNetPretrainer
from nnunet_uad.pretrain.task import ReconstructionTask, masked_l1
from nnunet_uad.restoration.diffusion import DiffusionProcess, noise_count
from nnunet_uad.restoration.frozen import describe_diffusion


@dataclass(frozen=True)
class DDPMSettings(PretrainSettings):
    """Settings of the diffusion model.

    Attributes:
        diffusion_noise: ``coarse``, ``simplex`` or ``white``.
        diffusion_cell_mm: cell of the coarse noise, or wavelength of the simplex noise's first octave, mm.
        diffusion_width: channels of the network's first level; 0: twice those of the plan's first stage.
        diffusion_levels: of the network; 0: three, two for small patches.
        conditioned: let an encoder of the input image shift the network's features (cDDPM).
        ema_decay: of the moving average of the weights, which restores.
        test_times: time steps whose one-step restorations are averaged.
        ddim_start: restore in several DDIM steps from this time step instead; 0: in one step.
        ddim_steps: how many.
    """

    diffusion_noise: str = "coarse"
    diffusion_cell_mm: float = 16.0
    diffusion_width: int = 0
    diffusion_levels: int = 0
    conditioned: bool = False
    ema_decay: float = 0.999
    test_times: tuple[int, ...] = field(default=(250, 500, 750), metadata={ANY_LENGTH: True})
    ddim_start: int = 0
    ddim_steps: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"{SETTINGS_VARIABLE}: ema_decay expects a value in [0, 1), found {self.ema_decay}.")
        if self.diffusion_width % 4:
            raise ValueError(
                f"{SETTINGS_VARIABLE}: diffusion_width expects a multiple of 4 (0: from the plan), found "
                f"{self.diffusion_width}."
            )

    def shape(self, manager: ConfigurationManager, channels: int) -> DiffusionShape:
        """Size of the network for a plan."""
        return diffusion_shape(manager, channels, self.diffusion_width, self.diffusion_levels, self.conditioned)


class DDPMTask(ReconstructionTask):
    """Predict the clean patch from any stage of its diffusion; L1."""

    method = "DDPM"
    citation = (
        "Behrendt et al.: Combining Reconstruction-based Unsupervised Anomaly Detection with Supervised Segmentation "
        "for Brain MRIs, MIDL 2024, PMLR 250:87-102; Ho et al.: Denoising Diffusion Probabilistic Models, NeurIPS 2020"
    )

    def __init__(self, settings: DDPMSettings, **geometry: tuple) -> None:
        super().__init__(**geometry)
        self.settings = settings
        self.process = DiffusionProcess(
            self.spacing,
            settings.diffusion_noise,
            settings.diffusion_cell_mm,
            settings.test_times,
            settings.ddim_start,
            settings.ddim_steps,
        )

    def forward(self, network: nn.Module, clean: torch.Tensor, foreground: torch.Tensor) -> dict[str, torch.Tensor]:
        """Noise to a random time step, estimate the clean patch, compare in the foreground."""
        output = self.process.restore_randomly(network, clean)
        return {"loss": masked_l1(output, clean, foreground), "output": output, "weight": foreground}

    def describe(self, manager: ConfigurationManager, channels: int) -> dict[str, Any]:
        """Network and process."""
        return {
            "network": describe_diffusion(self.settings.shape(manager, channels)),
            "restoration": {"kind": self.process.kind, **self.process.describe()},
        }

    def extra_channels(self, foreground: np.ndarray, channels: int, seed: int) -> np.ndarray:
        """The noise of the volume: (C, z, y, x)."""
        generator = torch.Generator().manual_seed(seed)
        batch = torch.empty(noise_count(channels, len(self.spacing), foreground.shape))
        drawn = self.process.draw_noise(batch, generator).transpose(0, 1)
        return drawn.reshape(channels, *foreground.shape).numpy()

    def reconstruct(self, network: nn.Module, image: torch.Tensor, extra: torch.Tensor) -> torch.Tensor:
        """Mean of the one-step estimates, or DDIM."""
        return self.process.restore(network, image, extra)


class nnUNetPretrainerDDPM(nnUNetPretrainer):
    """Diffusion model of healthy anatomy; what restores is the moving average of its weights."""

    settings_class = DDPMSettings
    task_class = DDPMTask
    settings: DDPMSettings
    memory_advice = "diffusion_width (the network's channels) or diffusion_levels"

    @classmethod
    def make_network(cls, settings: Any, manager: ConfigurationManager, channels: int) -> nn.Module:
        """The diffusion network with its moving average."""
        return AveragedNetwork(DiffusionNetwork(settings.shape(manager, channels)), settings.ema_decay)

    @staticmethod
    def restoring(network: nn.Module) -> nn.Module:
        """The moving average."""
        return network.average

    def after_step(self) -> None:
        """Move the average."""
        self.bare_network.update(self.current_epoch * self.num_iterations_per_epoch + self._iteration - 1)
