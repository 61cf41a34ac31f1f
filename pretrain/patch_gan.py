"""Autoencoder and patch-wise discriminator, whose map of the input is the anomaly score (thesis topic, 2021)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager
from torch import nn

from nnunet_uad.common.bounds import FilterSize, ShareBelowOne
from nnunet_uad.common.settings import refuse_without_effect
from nnunet_uad.networks.autoencoder_training import LesionJudgement
from nnunet_uad.networks.discriminator import DiscriminatorRecipe
from nnunet_uad.pretrain.adversary import Adversarial, AdversarialPretrainer, AdversarialSettings, field_in_words
from nnunet_uad.pretrain.autoencoder import AutoencoderTask
from nnunet_uad.pretrain.lesion_phase import AgainstLesions
from nnunet_uad.pretrain.lesions import LESION_SETTINGS, LesionSection, lesions_in_images, visible_lesion
from nnunet_uad.pretrain.task import Geometry, StepResult
from nnunet_uad.pretrain.terms import Reconstruction
from nnunet_uad.restoration.base import Restoration
from nnunet_uad.restoration.frozen import describe_restorer
from nnunet_uad.training.schedule import Course


@dataclass(frozen=True)
class PatchGANSettings(LesionSection, AdversarialSettings):
    """Settings of autoencoder and discriminator.

    Attributes:
        discriminator_blur_mm: Standard deviation of the Gaussian low-pass through which the discriminator sees images
            and reconstructions, mm: so that sharpness is no cue; 0: none.
        second_phase: Share of the training, at its end, in which the autoencoder stays as it is and the discriminator
            learns to tell synthetic lesions from images and reconstructions; in whole epochs; 0: none.
    """

    before: ClassVar[dict[str, Any]] = {"discriminator_blur_mm": 0.0, "second_phase": 0.0}

    # The map is the discriminator's, which has one output for many voxels and no rim to cut off.
    smoothing_mm: FilterSize = 3.0
    median_mm: FilterSize = 0.0
    erosion_mm: FilterSize = 0.0
    discriminator_blur_mm: FilterSize = 2.0
    second_phase: ShareBelowOne = 0.5

    def check_given(self, keys: Collection[str]) -> None:
        """Refuse settings of lesions that nobody sees.

        Args:
            keys: Names of the settings that somebody gave.

        Raises:
            ValueError: One was given.
        """
        super().check_given(keys)
        if not self.second_phase:
            refuse_without_effect(LESION_SETTINGS & {*keys}, "without a second phase", "choose second_phase=0.5")

    def opponent(self, manager: ConfigurationManager, channels: int) -> DiscriminatorRecipe:
        """The discriminator, behind its low-pass."""
        recipe = super().opponent(manager, channels)
        if not self.discriminator_blur_mm:
            return recipe
        return replace(recipe, blur=tuple(self.discriminator_blur_mm / float(s) for s in manager.spacing))


class JudgedReconstruction(Restoration):
    """The autoencoder reconstructs, the discriminator says how unreal the image itself looks."""

    kind = "judged"
    detects = True
    compares = True

    def reconstruct(self, network: nn.Module, image: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
        """Output of the autoencoder, (B, C, *spatial)."""
        return network.autoencoder(image).float()

    def detect(self, network: nn.Module, image: torch.Tensor) -> torch.Tensor:
        """How unreal the image's patches look to the discriminator, (B, 1, *spatial)."""
        return network.discriminator.unrealness(image)

    def compare(self, network: nn.Module, image: torch.Tensor, reconstruction: torch.Tensor) -> torch.Tensor:
        """Distance of the discriminator's features of image and reconstruction, (B, 1, *spatial).

        f-AnoGAN: Schlegl et al., Medical Image Analysis 2019, https://doi.org/10.1016/j.media.2019.01.010.
        """
        return network.discriminator.distance(image, reconstruction)


class PatchGANTask(AutoencoderTask):
    """Learn what patches of healthy images look like, against reconstructions; then against synthetic lesions.

    Args:
        settings: Settings of autoencoder and discriminator.
        geometry: Geometry of the patches.
    """

    method = "PatchGAN"
    restoration = JudgedReconstruction()
    #: Whether the second phase has begun; the trainer keeps it.
    second_phase: bool = False

    def __init__(self, settings: PatchGANSettings, geometry: Geometry) -> None:
        super().__init__(settings, geometry)
        self.terms = [Reconstruction(settings.reconstruction_loss), Adversarial(settings)]
        self.against_lesions = AgainstLesions(settings.adversarial_loss)

    def step_towards(
        self, target: torch.Tensor, network: nn.Module, image: torch.Tensor, foreground: torch.Tensor
    ) -> StepResult:
        """In the first phase the step of the images without lesions; in the second the discriminator's alone.

        Args:
            target: Patches (B, C, *spatial).
            network: Network in training.
            image: The same patches with synthetic lesions.
            foreground: Mask (B, 1, *spatial) of the voxels inside the image.
        """
        if not self.second_phase:
            return self.step(network, target, foreground)
        judgement: LesionJudgement = network(target, foreground, image, visible_lesion(image, target))
        said = self.against_lesions(judgement)
        return StepResult(said.summands[0], judgement.output, foreground, said.parts)

    def concerns(self, means: dict[str, float]) -> list[str]:
        """What is wrong with the phase that the training is in."""
        return self.against_lesions.concerns(means) if self.second_phase else super().concerns(means)


class nnUNetPretrainerPatchGAN(AdversarialPretrainer[PatchGANSettings]):
    """Autoencoder against a patch-wise discriminator; scores: the discriminator's, the residual, both.

    MSc thesis topic, 2021; Isola et al., CVPR 2017, https://arxiv.org/abs/1611.07004.
    """

    settings_class = PatchGANSettings
    task_class = PatchGANTask

    task: PatchGANTask

    def corrupting_transforms(self) -> list[BasicTransform]:
        """Synthetic lesions for the second phase; the first one goes by the images without them."""
        if not self.settings.second_phase:
            return []
        return [lesions_in_images(self.settings, self.configuration_manager.spacing, self.channel_names)]

    @property
    def first_phase_epochs(self) -> int:
        """Epochs before the second phase; at least one, and where there is a second phase not all."""
        if not self.settings.second_phase:
            return self.num_epochs
        return max(1, min(self.num_epochs - 1, round((1.0 - self.settings.second_phase) * self.num_epochs)))

    def course(self, part: str) -> Course:
        """The autoencoder has learnt when the second phase begins: with a rate of 0 it stays as it is."""
        if part != "autoencoder":
            return super().course(part)
        return Course.warmup(self.settings.warmup, self.first_phase_epochs / self.num_epochs)

    def on_train_epoch_start(self) -> None:
        """As every pretrainer, in the phase of this epoch."""
        super().on_train_epoch_start()
        self.task.second_phase = self.current_epoch >= self.first_phase_epochs

    @staticmethod
    def restoring(network: nn.Module) -> nn.Module:
        """Both: one reconstructs, the other detects."""
        return network

    def description(self) -> dict[str, Any]:
        """The discriminator: stage two appends its map, not a residual."""
        opponent = self.settings.opponent(self.configuration_manager, len(self.channel_names))
        return describe_restorer(opponent, Restoration())

    def before_training(self) -> None:
        """Say what the discriminator sees, and when it turns to lesions."""
        super().before_training()
        layers, blur = self.bare_network.discriminator.layers, self.settings.discriminator_blur_mm
        seen = field_in_words(layers, tuple(float(s) for s in self.configuration_manager.spacing))
        through = f", through a low-pass of {blur:g} mm" if blur else ""
        self.print_to_log_file(f"Receptive field of the discriminator: {seen}{through}.")
        if not self.settings.second_phase:
            return
        if self.first_phase_epochs >= self.num_epochs:
            self.print_to_log_file(
                "WARNING: a single epoch has no second phase: the autoencoder must learn first. The discriminator's "
                "map is of little use; train for more epochs."
            )
            return
        self.print_to_log_file(
            f"From epoch {self.first_phase_epochs} on the discriminator alone learns, against synthetic lesions."
        )
