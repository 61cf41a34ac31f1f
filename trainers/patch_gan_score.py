"""Segmentation with the map of a frozen patch-wise discriminator as a further channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nnunet_uad.restoration.residual_channels import SCORE
from nnunet_uad.trainers.base import FineTuneSettings
from nnunet_uad.trainers.residual import nnUNetTrainerResidual


@dataclass(frozen=True)
class PatchGANScoreSettings(FineTuneSettings):
    """Settings of segmentation with the discriminator's map; those of fine-tuning."""

    channel_kinds: ClassVar[list[str]] = [SCORE]
    residual_form: ClassVar[str] = "channels"


class nnUNetTrainerPatchGANScore(nnUNetTrainerResidual):
    """The unrealness map of ``nnUNetPretrainerPatchGAN``'s discriminator as a further channel."""

    restorer_pretrainer = "nnUNetPretrainerPatchGAN"
    settings_class = PatchGANScoreSettings
    memory_advice = "the discriminator's size (discriminator_width when it is pretrained)"
