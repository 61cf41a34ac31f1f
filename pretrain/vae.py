"""Variational autoencoder with a spatial code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nnunet_uad.common.bounds import Share, Weight
from nnunet_uad.common.settings import Settings
from nnunet_uad.pretrain.autoencoder import AutoencoderPretrainer, AutoencoderSettings, AutoencoderTask
from nnunet_uad.pretrain.task import Geometry
from nnunet_uad.pretrain.terms import KL, Reconstruction


@dataclass(frozen=True)
class VariationalSection(Settings):
    """Settings of a code that is a Gaussian per position.

    Attributes:
        kl_weight: Weight of the divergence of the code; 1: the evidence lower bound for errors of scale 1 z.
        kl_warmup: Share of the training over which the weight grows linearly from 0; a training that goes on from
            weights (``init``) has it whole from the start.
    """

    variational: ClassVar[bool] = True

    kl_weight: Weight = 0.01
    kl_warmup: Share = 0.3

    def rising_share(self, goes_on: bool) -> float:
        """Share of the training over which the weight grows: the code of weights to go on from is a Gaussian already.

        Args:
            goes_on: Whether the training goes on from weights.
        """
        return 0.0 if goes_on else self.kl_warmup


@dataclass(frozen=True)
class VAESettings(VariationalSection, AutoencoderSettings):
    """Settings of a variational autoencoder."""


class VAETask(AutoencoderTask):
    """Reconstruct the image from a code drawn from its Gaussian.

    Args:
        settings: Settings of the autoencoder.
        geometry: Geometry of the patches.
    """

    method = "VAE"

    def __init__(self, settings: VAESettings, geometry: Geometry) -> None:
        super().__init__(settings, geometry)
        self.terms = [
            Reconstruction(settings.reconstruction_loss),
            KL(settings.kl_weight, settings.rising_share(bool(settings.init))),
        ]


class nnUNetPretrainerVAE(AutoencoderPretrainer[VAESettings]):
    """Spatial variational autoencoder; reconstructs from the code's mean.

    Baur et al., BrainLes 2018, https://arxiv.org/abs/1804.04488; Kingma and Welling, ICLR 2014,
    https://arxiv.org/abs/1312.6114.
    """

    settings_class = VAESettings
    task_class = VAETask
