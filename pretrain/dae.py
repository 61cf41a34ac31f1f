"""Denoising autoencoder on the plan's own U-Net."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch

from nnunet_uad.common.bounds import Bounds, Intensity, IntensityRange, SizeRange
from nnunet_uad.corruption.coarse_noise import CoarseNoise
from nnunet_uad.pretrain.base import PretrainSettings, nnUNetPretrainer
from nnunet_uad.pretrain.target import TargetSection
from nnunet_uad.pretrain.task import Geometry, ReconstructionTask
from nnunet_uad.restoration.base import Restoration
from nnunet_uad.restoration.noisy_copies import NoisyCopies


@dataclass(frozen=True)
class DAESettings(TargetSection, PretrainSettings):
    """Settings of the denoising autoencoder.

    Attributes:
        noise_std: Range of the noise's standard deviation, z-score units.
        noise_cell_mm: Range of the noise grid's cell, mm.
        test_noise_copies: Number of noisy copies of the image whose reconstructions are averaged; 0 reconstructs the
            image itself.
        test_noise_std: Standard deviation of their noise, z-score units; its cells are the middle of
            ``noise_cell_mm``.
    """

    noise_std: IntensityRange = (1.0, 2.0)
    noise_cell_mm: SizeRange = (8.0, 20.0)
    test_noise_copies: Annotated[int, Bounds(0, 1000)] = 0
    test_noise_std: Intensity = 1.5


class DAETask(ReconstructionTask):
    """Remove coarse Gaussian noise from the foreground."""

    method = "DAE"

    def __init__(self, settings: DAESettings, geometry: Geometry) -> None:
        super().__init__(settings, geometry)
        self.noise = CoarseNoise(geometry.spacing, settings.noise_cell_mm, settings.noise_std)
        cell = sum(settings.noise_cell_mm) / 2
        copies = NoisyCopies(geometry.spacing, settings.test_noise_copies, cell, settings.test_noise_std)
        self.restoration = copies if copies.copies else Restoration()

    def corrupt(self, clean: torch.Tensor, foreground: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Add noise to the patches (B, C, *spatial) inside the foreground; the loss counts the foreground."""
        return torch.addcmul(clean, self.noise.draw(clean), foreground.to(clean.dtype)), foreground


class nnUNetPretrainerDAE(nnUNetPretrainer[DAESettings, DAETask]):
    """Denoising autoencoder: coarse noise on the plan's own network.

    Kascenas, Pugeault, O'Neil, MIDL 2022, https://proceedings.mlr.press/v172/kascenas22a.html; on the noise: Kascenas
    et al., Medical Image Analysis 2023, https://arxiv.org/abs/2301.08330.
    """

    settings_class = DAESettings
    task_class = DAETask
