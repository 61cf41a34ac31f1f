"""AnoVAEGAN: a variational autoencoder whose decoder is also a GAN's generator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nnunet_uad.pretrain.adversary import Adversarial, AdversarySection, parameter_groups
from nnunet_uad.pretrain.autoencoder import AutoencoderPretrainer, AutoencoderSettings, AutoencoderTask
from nnunet_uad.pretrain.task import Geometry
from nnunet_uad.pretrain.terms import KL, Reconstruction
from nnunet_uad.pretrain.vae import VariationalSection


@dataclass(frozen=True)
class AnoVAEGANSettings(AdversarySection, VariationalSection, AutoencoderSettings):
    """Settings of the variational autoencoder and of its discriminator."""


class AnoVAEGANTask(AutoencoderTask):
    """Reconstruct the image from its code so that a discriminator takes it for real.

    Args:
        settings: Settings of autoencoder and discriminator.
        geometry: Geometry of the patches.
    """

    method = "AnoVAEGAN"

    def __init__(self, settings: AnoVAEGANSettings, geometry: Geometry) -> None:
        super().__init__(settings, geometry)
        kl = KL(settings.kl_weight, settings.kl_warmup)
        self.terms = [Reconstruction(settings.reconstruction_loss), kl, Adversarial(settings)]


class nnUNetPretrainerAnoVAEGAN(AutoencoderPretrainer[AnoVAEGANSettings]):
    """Spatial variational autoencoder with an adversarial term.

    Baur et al., BrainLes 2018, https://arxiv.org/abs/1804.04488.
    """

    settings_class = AnoVAEGANSettings
    task_class = AnoVAEGANTask

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Autoencoder and discriminator, each with a rate and momentum of its own."""
        chosen = self.settings
        return parameter_groups(self.network, self.initial_lr, chosen.discriminator_lr, chosen.optimizer)
