"""AnoVAEGAN: a variational autoencoder whose decoder is also a GAN's generator."""

from __future__ import annotations

from dataclasses import dataclass

from nnunet_uad.pretrain.adversary import Adversarial, AdversarialPretrainer, AdversarialSettings
from nnunet_uad.pretrain.autoencoder import AutoencoderTask
from nnunet_uad.pretrain.task import Geometry
from nnunet_uad.pretrain.terms import KL, Reconstruction
from nnunet_uad.pretrain.vae import VariationalSection


@dataclass(frozen=True)
class AnoVAEGANSettings(VariationalSection, AdversarialSettings):
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
        kl = KL(settings.kl_weight, settings.rising_share(bool(settings.init)))
        self.terms = [Reconstruction(settings.reconstruction_loss), kl, Adversarial(settings)]


class nnUNetPretrainerAnoVAEGAN(AdversarialPretrainer[AnoVAEGANSettings]):
    """Spatial variational autoencoder with an adversarial term.

    Baur et al., BrainLes 2018, https://arxiv.org/abs/1804.04488.
    """

    settings_class = AnoVAEGANSettings
    task_class = AnoVAEGANTask
