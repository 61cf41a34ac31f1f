"""Variational autoencoder with a spatial code (Baur et al., BrainLes 2018; Kingma and Welling, ICLR 2014)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from nnunet_uad.common.settings import SETTINGS_VARIABLE
from nnunet_uad.networks.autoencoder_training import AutoencoderOutput
from nnunet_uad.pretrain.autoencoder import AutoencoderSettings, AutoencoderTask, nnUNetPretrainerAE


@dataclass(frozen=True)
class VAESettings(AutoencoderSettings):
    """Settings of a variational autoencoder.

    Attributes:
        kl_weight: of the divergence of the code; 1: the evidence lower bound for errors of scale 1 z.
        kl_warmup: share of the training over which the weight grows linearly from 0.
    """

    kl_weight: float = 0.01
    kl_warmup: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kl_weight < 0 or not 0 <= self.kl_warmup <= 1:
            raise ValueError(
                f"{SETTINGS_VARIABLE}: kl_weight expects at least 0 and kl_warmup a share in [0, 1], found "
                f"{self.kl_weight} and {self.kl_warmup}."
            )


class VAETask(AutoencoderTask):
    """Restore the image from a code drawn from its Gaussian."""

    method = "VAE"
    variational = True
    settings: VAESettings

    def add_to_loss(self, result: dict[str, Any], found: AutoencoderOutput, foreground: torch.Tensor) -> None:
        """KL per value that the reconstruction counts, so that both terms are those of the evidence lower bound."""
        values = foreground.float().sum() * found.output.shape[1] / len(foreground)
        divergence = found.kl.mean() / values.clamp(min=1.0)
        result["loss"] = result["loss"] + self.kl_factor() * divergence
        result["parts"]["KL per value"] = divergence.detach()

    def kl_factor(self) -> float:
        """Weight of the divergence at this point of the training."""
        warmup = self.settings.kl_warmup
        return self.settings.kl_weight * (min(1.0, self.progress / warmup) if warmup else 1.0)


class nnUNetPretrainerVAE(nnUNetPretrainerAE):
    """Spatial variational autoencoder; restores from the code's mean."""

    settings_class = VAESettings
    task_class = VAETask
