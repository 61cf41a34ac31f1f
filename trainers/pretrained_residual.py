"""Both pretrainings at once: the network starts from pretrained weights, a frozen restorer adds its residual."""

from __future__ import annotations

from dataclasses import dataclass

from nnunet_uad.trainers.base import trainers_from_rows
from nnunet_uad.trainers.fine_tune_settings import FineTuneSettings
from nnunet_uad.trainers.pretrained import TransferSection, nnUNetTrainerPretrained
from nnunet_uad.trainers.residual import ResidualSection, nnUNetTrainerResidual


@dataclass(frozen=True)
class PretrainedResidualSettings(ResidualSection, TransferSection, FineTuneSettings):
    """Settings of fine-tuning with residual channels; the defaults are those of fine-tuning."""


class nnUNetTrainerPretrainedResidual(nnUNetTrainerResidual, nnUNetTrainerPretrained):
    """Base of the ``…Pretrained…Residual`` trainers; subclasses name both pretrainers.

    The weights of the residual channels start at 0, so the first step sees the function of a model without them.
    """

    settings_class = PretrainedResidualSettings


globals().update(trainers_from_rows(__name__, nnUNetTrainerPretrainedResidual))
