"""Fine-tuning a denoising autoencoder (Holzschuh et al., MIDL 2023 short paper)."""

from __future__ import annotations

from nnunet_uad.trainers.pretrained import nnUNetTrainerPretrained


class nnUNetTrainerDAEPretrained(nnUNetTrainerPretrained):
    """Supervised fine-tuning from ``nnUNetPretrainerDAE``."""

    pretrainer = "nnUNetPretrainerDAE"
