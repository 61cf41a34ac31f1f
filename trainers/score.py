"""Segmentation with the map of a frozen discriminator as a further channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nnunet_uad.restoration.channel_kinds import SCORE
from nnunet_uad.trainers.base import trainers_from_rows
from nnunet_uad.trainers.fine_tune_settings import FineTuneSettings
from nnunet_uad.trainers.residual import nnUNetTrainerResidual


@dataclass(frozen=True)
class ScoreChannelSettings(FineTuneSettings):
    """Settings of segmentation with a score as a further channel; those of fine-tuning."""

    channel_kinds: ClassVar[list[str]] = [SCORE]
    residual_form: ClassVar[str] = "channels"


class nnUNetTrainerScore(nnUNetTrainerResidual):
    """Base of the ``…Score`` trainers; subclasses name the pretrainer whose frozen model scores the image."""

    settings_class = ScoreChannelSettings


globals().update(trainers_from_rows(__name__, nnUNetTrainerScore))
