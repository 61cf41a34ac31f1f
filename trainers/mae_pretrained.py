"""Fine-tuning a masked autoencoder."""

from __future__ import annotations

from nnunet_uad.trainers.pretrained import nnUNetTrainerPretrained


class nnUNetTrainerMAEPretrained(nnUNetTrainerPretrained):
    """Supervised fine-tuning from ``nnUNetPretrainerMAE``."""

    pretrainer = "nnUNetPretrainerMAE"
