"""Autoencoder and patch-wise discriminator, whose map of the input is the anomaly score (thesis topic, 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from nnunet_uad.pretrain.adversary import Adversarial, AdversarialPretrainer, AdversarialSettings, field_in_words
from nnunet_uad.pretrain.autoencoder import AutoencoderTask
from nnunet_uad.pretrain.task import Geometry
from nnunet_uad.pretrain.terms import Reconstruction
from nnunet_uad.restoration.base import Restoration
from nnunet_uad.restoration.frozen import describe_restorer


@dataclass(frozen=True)
class PatchGANSettings(AdversarialSettings):
    """Settings of autoencoder and discriminator."""


class JudgedReconstruction(Restoration):
    """The autoencoder reconstructs, the discriminator says how unreal the image itself looks."""

    kind = "judged"
    detects = True

    def reconstruct(self, network: nn.Module, image: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
        """Output of the autoencoder, (B, C, *spatial)."""
        return network.autoencoder(image).float()

    def detect(self, network: nn.Module, image: torch.Tensor) -> torch.Tensor:
        """How unreal the image's patches look to the discriminator, (B, 1, *spatial)."""
        return network.discriminator.unrealness(image)


class PatchGANTask(AutoencoderTask):
    """Learn what patches of healthy images look like, against reconstructions.

    Args:
        settings: Settings of autoencoder and discriminator.
        geometry: Geometry of the patches.
    """

    method = "PatchGAN"
    restoration = JudgedReconstruction()

    def __init__(self, settings: PatchGANSettings, geometry: Geometry) -> None:
        super().__init__(settings, geometry)
        self.terms = [Reconstruction(settings.reconstruction_loss), Adversarial(settings)]


class nnUNetPretrainerPatchGAN(AdversarialPretrainer[PatchGANSettings]):
    """Autoencoder against a patch-wise discriminator; scores: the discriminator's, the residual, their product.

    MSc thesis topic, 2021; Isola et al., CVPR 2017, https://arxiv.org/abs/1611.07004.
    """

    settings_class = PatchGANSettings
    task_class = PatchGANTask

    @staticmethod
    def restoring(network: nn.Module) -> nn.Module:
        """Both: one reconstructs, the other detects."""
        return network

    def description(self) -> dict[str, Any]:
        """The discriminator: stage two appends its map, not a residual."""
        opponent = self.settings.opponent(self.configuration_manager, len(self.channel_names))
        return describe_restorer(opponent, Restoration())

    def before_training(self) -> None:
        """Say what the discriminator sees."""
        super().before_training()
        layers = self.bare_network.discriminator.layers
        seen = field_in_words(layers, tuple(float(s) for s in self.configuration_manager.spacing))
        self.print_to_log_file(f"Receptive field of the discriminator: {seen}.")
