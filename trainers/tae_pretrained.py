"""Fine-tuning a tile-wise autoencoder (Chen, arXiv 2108.03823)."""

from __future__ import annotations

from nnunet_uad.trainers.pretrained import nnUNetTrainerPretrained


class nnUNetTrainerTAEPretrained(nnUNetTrainerPretrained):
    """Supervised fine-tuning from ``nnUNetPretrainerTAE``; encoder and decoder transfer."""

    pretrainer = "nnUNetPretrainerTAE"
