"""Denoising autoencoder (Kascenas et al., MIDL 2022) on the plan's own U-Net."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager
from torch import nn

from nnunet_uad.corruption.coarse_noise import CoarseNoise
from nnunet_uad.pretrain.base import PretrainSettings, nnUNetPretrainer
from nnunet_uad.pretrain.task import ReconstructionTask
from nnunet_uad.restoration.direct import DirectRestoration
from nnunet_uad.restoration.frozen import describe_plan_network


@dataclass(frozen=True)
class DAESettings(PretrainSettings):
    """Settings of the denoising autoencoder.

    Attributes:
        noise_std: range of the noise's standard deviation, z-score units.
        noise_cell_mm: range of the noise grid's cell, mm.
        test_noise_copies: restore so many noisy copies of the image and average; 0 restores the image itself.
        test_noise_std: standard deviation of their noise; its cells are the middle of ``noise_cell_mm``.
    """

    noise_std: tuple[float, float] = (1.0, 2.0)
    noise_cell_mm: tuple[float, float] = (8.0, 20.0)
    test_noise_copies: int = 0
    test_noise_std: float = 1.5


class DAETask(ReconstructionTask):
    """Remove coarse Gaussian noise from the foreground."""

    method = "DAE"
    citation = (
        "Kascenas, Pugeault, O'Neil: Denoising Autoencoders for Unsupervised Anomaly Detection in Brain MRI, "
        "MIDL 2022, PMLR 172:653-664"
    )

    def __init__(self, settings: DAESettings, **geometry: tuple) -> None:
        super().__init__(**geometry)
        self.noise = CoarseNoise(self.spacing, settings.noise_cell_mm, settings.noise_std)
        self.copies = settings.test_noise_copies
        cell = sum(settings.noise_cell_mm) / 2
        self.test_noise = CoarseNoise(self.spacing, (cell, cell), (settings.test_noise_std,) * 2)

    def corrupt(self, clean: torch.Tensor, foreground: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Add noise inside the foreground; the loss counts the foreground."""
        return torch.addcmul(clean, self.noise.draw(clean), foreground.to(clean.dtype)), foreground

    def describe(self, manager: ConfigurationManager, channels: int) -> dict[str, Any]:
        """The plan's network, called on the image itself."""
        network = describe_plan_network(
            manager.network_arch_class_name,
            manager.network_arch_init_kwargs,
            tuple(manager.network_arch_init_kwargs_req_import),
            channels,
        )
        return {"network": network, "restoration": {"kind": DirectRestoration.kind}}

    def extra_channels(self, foreground: np.ndarray, channels: int, seed: int) -> np.ndarray | None:
        """Noise inside the foreground for every copy, the same in all channels: (copies, z, y, x)."""
        if not self.copies:
            return None
        generator = torch.Generator().manual_seed(seed)
        axes = len(self.spacing)
        # A 2D plan gets an independent drawing for every slice.
        volume = torch.empty((math.prod(foreground.shape[:-axes]), 1, *foreground.shape[-axes:]))
        drawn = [self.test_noise.draw(volume, generator).view(foreground.shape) for _ in range(self.copies)]
        return (torch.stack(drawn) * torch.from_numpy(foreground)).numpy()

    def reconstruct(self, network: nn.Module, image: torch.Tensor, extra: torch.Tensor) -> torch.Tensor:
        """The network's output for the uncorrupted image, or its mean over noisy copies."""
        if not self.copies:
            return network(image)
        total = torch.zeros_like(image)
        for copy in range(self.copies):
            total += network(image + extra[:, copy : copy + 1])
        return total / self.copies


class nnUNetPretrainerDAE(nnUNetPretrainer):
    """Denoising autoencoder: coarse noise on the plan's own network."""

    settings_class = DAESettings
    task_class = DAETask
