"""Denoising autoencoder on the plan's own U-Net; what it removes is noise, synthetic lesions, or both."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform

from nnunet_uad.common.bounds import Bounds, Intensity, IntensityRange, SizeRange
from nnunet_uad.common.settings import check_choices
from nnunet_uad.corruption.coarse_noise import CoarseNoise
from nnunet_uad.pretrain.base import PretrainSettings, nnUNetPretrainer
from nnunet_uad.pretrain.lesions import LESION_SETTINGS, LesionSection, lesions_in_images
from nnunet_uad.pretrain.target import TargetSection
from nnunet_uad.pretrain.task import Geometry, ReconstructionTask
from nnunet_uad.restoration.base import Restoration
from nnunet_uad.restoration.noisy_copies import NoisyCopies

NOISE, ANOMALIES, BOTH = "noise", "anomalies", "both"
_OF_NOISE = frozenset({"noise_std"})


@dataclass(frozen=True)
class DAESettings(LesionSection, TargetSection, PretrainSettings):
    """Settings of the denoising autoencoder.

    Attributes:
        corruption: Kind of damage that is to be removed: coarse ``noise``, synthetic ``anomalies``, or ``both``.
        noise_std: Range of the noise's standard deviation, z-score units.
        noise_cell_mm: Range of the noise grid's cell, mm.
        test_noise_copies: Number of noisy copies of the image whose reconstructions are averaged; 0 reconstructs the
            image itself.
        test_noise_std: Standard deviation of their noise, z-score units; its cells are the middle of
            ``noise_cell_mm``.
    """

    before: ClassVar[dict[str, Any]] = {"corruption": NOISE}

    corruption: str = NOISE
    noise_std: IntensityRange = (1.0, 2.0)
    noise_cell_mm: SizeRange = (8.0, 20.0)
    test_noise_copies: Annotated[int, Bounds(0, 1000)] = 0
    test_noise_std: Intensity = 1.5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choices(self, {"corruption": (NOISE, ANOMALIES, BOTH)})

    def check_given(self, keys: Collection[str]) -> None:
        """Refuse settings of what is not there to be removed.

        Args:
            keys: Names of the settings that somebody gave.

        Raises:
            ValueError: One was given.
        """
        super().check_given(keys)
        unused = {NOISE: LESION_SETTINGS, ANOMALIES: _OF_NOISE, BOTH: frozenset()}[self.corruption] & {*keys}
        if unused:
            raise ValueError(
                f"{', '.join(sorted(unused))} has no effect with corruption={self.corruption}: leave it out, or choose "
                f"corruption={BOTH}."
            )


class DAETask(ReconstructionTask):
    """Remove coarse Gaussian noise from the foreground; synthetic lesions come with the patches."""

    method = "DAE"
    settings: DAESettings

    def __init__(self, settings: DAESettings, geometry: Geometry) -> None:
        super().__init__(settings, geometry)
        self.noise = CoarseNoise(geometry.spacing, settings.noise_cell_mm, settings.noise_std)
        cell = sum(settings.noise_cell_mm) / 2
        copies = NoisyCopies(geometry.spacing, settings.test_noise_copies, cell, settings.test_noise_std)
        self.restoration = copies if copies.copies else Restoration()

    def corrupt(self, clean: torch.Tensor, foreground: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Add noise, if any, to the patches (B, C, *spatial) inside the foreground, which the loss counts."""
        if self.settings.corruption == ANOMALIES:
            return clean, foreground
        return torch.addcmul(clean, self.noise.draw(clean), foreground.to(clean.dtype)), foreground


class nnUNetPretrainerDAE(nnUNetPretrainer[DAESettings, DAETask]):
    """Denoising autoencoder: coarse noise on the plan's own network, or synthetic lesions that it learns to erase.

    Kascenas, Pugeault, O'Neil, MIDL 2022, https://proceedings.mlr.press/v172/kascenas22a.html; on the noise: Kascenas
    et al., Medical Image Analysis 2023, https://arxiv.org/abs/2301.08330. Erasing synthetic lesions: the first half of
    DRAEM, Zavrtanik et al., ICCV 2021, https://arxiv.org/abs/2108.07610, and UNA, https://arxiv.org/abs/2506.10233.
    """

    settings_class = DAESettings
    task_class = DAETask

    def corrupting_transforms(self) -> list[BasicTransform]:
        """Synthetic lesions, where they are to be erased."""
        if self.settings.corruption == NOISE:
            return []
        return [lesions_in_images(self.settings, self.configuration_manager.spacing, self.channel_names)]
