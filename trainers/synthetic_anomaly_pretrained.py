"""Fine-tuning a network that has learned to find synthetic anomalies."""

from __future__ import annotations

from nnunet_uad.trainers.pretrained import nnUNetTrainerPretrained


class nnUNetTrainerSyntheticAnomalyPretrained(nnUNetTrainerPretrained):
    """Supervised fine-tuning from ``nnUNetPretrainerSyntheticAnomaly``."""

    pretrainer = "nnUNetPretrainerSyntheticAnomaly"
