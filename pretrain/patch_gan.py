"""Autoencoder and patch-wise discriminator, whose map of the input is the anomaly score (thesis topic, 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager
from torch import nn

from nnunet_uad.networks.autoencoder_training import AutoencoderOutput
from nnunet_uad.pretrain.adversary import (
    Adversary,
    AdversarySettings,
    discriminator_arguments,
    field_in_words,
    make_discriminator,
    two_optimizers,
)
from nnunet_uad.pretrain.autoencoder import AutoencoderTask, nnUNetPretrainerAE
from nnunet_uad.restoration.direct import DirectRestoration
from nnunet_uad.restoration.frozen import describe_discriminator


@dataclass(frozen=True)
class PatchGANSettings(AdversarySettings):
    """Settings of autoencoder and discriminator."""


class PatchGANTask(AutoencoderTask):
    """Learn what patches of healthy images look like, against reconstructions."""

    method = "PatchGAN"
    detects = True
    citation = (
        "A Patch-Wise Discriminator for Semi-Supervised Anomaly Segmentation, MSc thesis topic, 2021; Isola et al.: "
        "Image-to-Image Translation with Conditional Adversarial Networks, CVPR 2017"
    )
    settings: PatchGANSettings

    def __init__(self, settings: PatchGANSettings, **geometry: tuple) -> None:
        super().__init__(settings, **geometry)
        self.adversary = Adversary(settings)

    def add_to_loss(self, result: dict[str, Any], found: AutoencoderOutput, foreground: torch.Tensor) -> None:
        """Both adversarial losses."""
        self.adversary.add_to_loss(result, found.judgement)

    def concerns(self, means: dict[str, float]) -> list[str]:
        """What the discriminator's numbers say."""
        return self.adversary.concerns(means)

    def describe(self, manager: ConfigurationManager, channels: int) -> dict[str, Any]:
        """The discriminator; stage two appends its map."""
        return {
            "network": describe_discriminator(discriminator_arguments(self.settings, manager, channels)),
            "restoration": {"kind": DirectRestoration.kind},
        }

    def reconstruct(self, network: nn.Module, image: torch.Tensor, extra: torch.Tensor) -> torch.Tensor:
        """The autoencoder's output."""
        return network.autoencoder(image)

    def detect(self, network: nn.Module, image: torch.Tensor) -> torch.Tensor:
        """How unreal the image's patches look to the discriminator."""
        return network.discriminator.unrealness(image)


class nnUNetPretrainerPatchGAN(nnUNetPretrainerAE):
    """Autoencoder against a patch-wise discriminator; scores: the discriminator's, the residual, their product."""

    settings_class = PatchGANSettings
    task_class = PatchGANTask
    make_opponent = staticmethod(make_discriminator)

    @staticmethod
    def restoring(network: nn.Module) -> nn.Module:
        """Both: one restores, the other detects."""
        return network

    def parameter_groups(self) -> list[dict[str, Any]]:
        """An optimiser each."""
        return two_optimizers(self.network, self.settings, self.initial_lr)

    def before_training(self) -> None:
        """Say what the discriminator sees."""
        super().before_training()
        layers = self.bare_network.discriminator.layers
        seen = field_in_words(layers, tuple(float(s) for s in self.configuration_manager.spacing))
        self.print_to_log_file(f"Receptive field of the discriminator: {seen}.")
