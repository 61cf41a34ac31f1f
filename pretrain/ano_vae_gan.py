"""AnoVAEGAN (Baur et al., BrainLes 2018): a variational autoencoder whose decoder is also a GAN's generator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from nnunet_uad.networks.autoencoder_training import AutoencoderOutput
from nnunet_uad.pretrain.adversary import Adversary, AdversarySettings, make_discriminator, two_optimizers
from nnunet_uad.pretrain.vae import VAESettings, VAETask, nnUNetPretrainerVAE


@dataclass(frozen=True)
class AnoVAEGANSettings(AdversarySettings, VAESettings):
    """Settings of the variational autoencoder and of its discriminator."""


class AnoVAEGANTask(VAETask):
    """Restore the image from its code so that a discriminator takes it for real."""

    method = "AnoVAEGAN"

    def __init__(self, settings: AnoVAEGANSettings, **geometry: tuple) -> None:
        super().__init__(settings, **geometry)
        self.adversary = Adversary(settings)

    def add_to_loss(self, result: dict[str, Any], found: AutoencoderOutput, foreground: torch.Tensor) -> None:
        """Divergence and both adversarial losses."""
        super().add_to_loss(result, found, foreground)
        self.adversary.add_to_loss(result, found.judgement)

    def concerns(self, means: dict[str, float]) -> list[str]:
        """What the discriminator's numbers say."""
        return self.adversary.concerns(means)


class nnUNetPretrainerAnoVAEGAN(nnUNetPretrainerVAE):
    """Spatial variational autoencoder with an adversarial term."""

    settings_class = AnoVAEGANSettings
    task_class = AnoVAEGANTask
    make_opponent = staticmethod(make_discriminator)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """An optimiser each."""
        return two_optimizers(self.network, self.settings, self.initial_lr)
