"""Fine-tuning a variational autoencoder's encoder (Baur et al., BrainLes 2018)."""

from __future__ import annotations

from nnunet_uad.trainers.pretrained import nnUNetTrainerPretrained


class nnUNetTrainerVAEPretrained(nnUNetTrainerPretrained):
    """Supervised fine-tuning from ``nnUNetPretrainerVAE``; its decoder has no skips, so only the encoder transfers."""

    pretrainer = "nnUNetPretrainerVAE"
