"""Both pretrainings at once: the network starts as a denoising autoencoder, a diffusion model restores."""

from __future__ import annotations

from dataclasses import dataclass

from nnunet_uad.trainers.pretrained import PretrainedSettings, nnUNetTrainerPretrained
from nnunet_uad.trainers.residual import ResidualSettings, nnUNetTrainerResidual


@dataclass(frozen=True)
class PretrainedResidualSettings(ResidualSettings, PretrainedSettings):
    """Settings of fine-tuning with residual channels; the defaults are those of fine-tuning."""

    # Said again: of two parents the first wins, and residual trainers freeze nothing.
    freeze_encoder_epochs: float = 0.3


class nnUNetTrainerDAEPretrainedDiffusionResidual(nnUNetTrainerResidual, nnUNetTrainerPretrained):
    """Fine-tuning from ``nnUNetPretrainerDAE`` with the residual of ``nnUNetPretrainerDDPM``.

    The weights of the residual channels start at 0, so the first step sees the function of a model without them.
    """

    restorer_pretrainer = "nnUNetPretrainerDDPM"
    pretrainer = "nnUNetPretrainerDAE"
    settings_class = PretrainedResidualSettings
