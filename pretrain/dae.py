"""Denoising autoencoder (Kascenas et al., MIDL 2022) on the plan's own U-Net."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from nnunet_uad.pretrain.base import PretrainSettings, nnUNetPretrainer
from nnunet_uad.pretrain.task import ReconstructionTask
from torch import nn

from nnunet_uad.corruption.coarse_noise import CoarseNoise


@dataclass(frozen=True)
class DAESettings(PretrainSettings):
    """Settings of the denoising autoencoder.

    Attributes:
        noise_std: range of the noise's standard deviation, z-score units.
        noise_cell_mm: range of the noise grid's cell, mm.
    """

    noise_std: tuple[float, float] = (1.0, 2.0)
    noise_cell_mm: tuple[float, float] = (8.0, 20.0)


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

    def corrupt(self, clean: torch.Tensor, foreground: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Add noise inside the foreground; the loss counts the foreground."""
        return torch.addcmul(clean, self.noise.draw(clean), foreground.to(clean.dtype)), foreground

    def reconstruct(self, network: nn.Module, image: torch.Tensor, extra: torch.Tensor) -> torch.Tensor:
        """The network's output for the uncorrupted image."""
        return network(image)


class nnUNetPretrainerDAE(nnUNetPretrainer):
    """Denoising autoencoder: coarse noise on the plan's own network."""

    settings_class = DAESettings
    task_class = DAETask
