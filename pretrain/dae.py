"""Denoising autoencoder on the plan's own U-Net; what it removes is noise, synthetic lesions, or both."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from nnunetv2.training.loss.compound_losses import DC_and_BCE_loss
from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager
from torch import nn

from nnunet_uad.common.bounds import Bounds, Intensity, IntensityRange, SizeRange, Weight
from nnunet_uad.common.settings import check_choices, refuse_without_effect
from nnunet_uad.corruption.coarse_noise import CoarseNoise
from nnunet_uad.networks.recipe import PlanRecipe
from nnunet_uad.pretrain.base import nnUNetPretrainer
from nnunet_uad.pretrain.lesions import LESION_SETTINGS, LesionSection, lesions_in_images, visible_lesion
from nnunet_uad.pretrain.pretrain_settings import PretrainSettings
from nnunet_uad.pretrain.target import TargetSection
from nnunet_uad.pretrain.task import Geometry, ReconstructionTask, StepResult, masked_mse
from nnunet_uad.pretrain.terms import RECONSTRUCTION
from nnunet_uad.restoration.base import Restoration
from nnunet_uad.restoration.noisy_copies import NoisyCopies
from nnunet_uad.restoration.with_detection import WithDetection

NOISE, ANOMALIES, BOTH = "noise", "anomalies", "both"
_OF_NOISE = frozenset({"noise_std", "noise_cell_mm"})


@dataclass(frozen=True)
class DAESettings(LesionSection, TargetSection, PretrainSettings):
    """Settings of the denoising autoencoder.

    Attributes:
        corruption: Kind of damage that is to be removed: coarse ``noise``, synthetic ``anomalies``, or ``both``: every
            patch may have anomalies then, half of the patches have noise.
        detection: Whether the network says in one more channel where the anomalies are; the score is then the sum of
            residual and detection.
        detection_weight: Weight of that channel's loss beside the reconstruction's.
        noise_std: Range of the noise's standard deviation, z-score units.
        noise_cell_mm: Range of the noise grid's cell, mm.
        test_noise_copies: Number of noisy copies of the image whose reconstructions are averaged; 0 reconstructs the
            image itself.
        test_noise_std: Standard deviation of their noise, and of that of the draws of ``score=standardised``, z-score
            units; its cells are the middle of ``noise_cell_mm``.
    """

    before: ClassVar[dict[str, Any]] = {"corruption": NOISE, "detection": False}

    corruption: str = NOISE
    detection: bool = False
    detection_weight: Weight = 0.2
    noise_std: IntensityRange = (1.0, 2.0)
    noise_cell_mm: SizeRange = (8.0, 20.0)
    test_noise_copies: Annotated[int, Bounds(0, 1000)] = 0
    test_noise_std: Intensity = 1.5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choices(self, {"corruption": (NOISE, ANOMALIES, BOTH)})
        if not self.detection:
            return
        refused = {
            f"corruption={NOISE}": self.corruption == NOISE,
            f"target={self.target}": self.before_intensity,
            f"test_noise_copies={self.test_noise_copies}": self.test_noise_copies > 0,
        }
        if found := [given for given, is_refused in refused.items() if is_refused]:
            raise ValueError(
                f"detection=true learns from anomalies in the patches: it expects corruption={ANOMALIES} or {BOTH}, "
                f"target=augmented and no noisy copies, found {', '.join(found)}."
            )

    def recipe(self, manager: ConfigurationManager, channels: int) -> PlanRecipe:
        """The plan's network, with one more output where it detects."""
        return PlanRecipe.of(manager, channels, channels + 1 if self.detection else None)

    def check_given(self, keys: Collection[str]) -> None:
        """Refuse settings of what is not there to be removed.

        Args:
            keys: Names of the settings that somebody gave.

        Raises:
            ValueError: One was given.
        """
        super().check_given(keys)
        of_noise = frozenset() if self.test_noise_copies else _OF_NOISE
        unused = {NOISE: LESION_SETTINGS, ANOMALIES: of_noise, BOTH: frozenset()}[self.corruption] & {*keys}
        if not self.detection:
            refuse_without_effect({"detection_weight"} & {*keys}, "without detection=true", "switch it on")
        refuse_without_effect(unused, f"with corruption={self.corruption}", f"choose corruption={BOTH}")


class DAETask(ReconstructionTask):
    """Remove coarse Gaussian noise from the foreground; synthetic lesions come with the patches."""

    method = "DAE"
    settings: DAESettings

    def __init__(self, settings: DAESettings, geometry: Geometry) -> None:
        super().__init__(settings, geometry)
        self.noise = CoarseNoise(geometry.spacing, settings.noise_cell_mm, settings.noise_std)
        cell = sum(settings.noise_cell_mm) / 2
        copies = NoisyCopies(geometry.spacing, settings.test_noise_copies, cell, settings.test_noise_std)
        self.restoration = WithDetection() if settings.detection else copies if copies.copies else Restoration()
        # Whoever has not learnt to remove noise would show the noise, not what the model varies in.
        noisy = not settings.detection and settings.corruption != ANOMALIES
        self.restoration.drawing = copies.drawing if noisy else None
        # The last channel of its target says what does not count.
        self.detection_loss = DC_and_BCE_loss(
            {},
            {"batch_dice": True, "do_bg": True, "smooth": 1e-5, "ddp": False},
            use_ignore_label=True,
            dice_class=MemoryEfficientSoftDiceLoss,
        )

    def corrupt(self, clean: torch.Tensor, foreground: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Add noise, if any, to the patches (B, C, *spatial) inside the foreground, which the loss counts."""
        return clean + self.draw_noise(clean, foreground), foreground

    def draw_noise(self, clean: torch.Tensor, foreground: torch.Tensor) -> torch.Tensor:
        """Noise of the patches (B, C, *spatial), 0 outside the foreground (B, 1, *spatial) and where there is none."""
        if self.settings.corruption == ANOMALIES:
            return torch.zeros_like(clean)
        inside = foreground.to(clean.dtype)
        if self.settings.corruption == BOTH:
            # Noise hides small lesions, and images come without it.
            inside = inside * (torch.rand((len(clean),) + (1,) * (clean.ndim - 1), device=clean.device) < 0.5)
        return self.noise.draw(clean) * inside

    def step_towards(
        self, target: torch.Tensor, network: nn.Module, image: torch.Tensor, foreground: torch.Tensor
    ) -> StepResult:
        """As its base, and where the network detects, with the loss of that channel: cross-entropy and Dice.

        Args:
            target: Patches (B, C, *spatial) without anomalies.
            network: Network in training.
            image: The patches with anomalies.
            foreground: Mask (B, 1, *spatial) of the voxels inside the image.
        """
        if not self.settings.detection:
            return super().step_towards(target, network, image, foreground)
        noise = self.draw_noise(image, foreground)
        output = network(image + noise)
        restored, logits = output[:, :-1], output[:, -1:]
        # What noise may hide, and what lies outside, the detection need not answer for.
        ignored = ~foreground | (noise != 0).flatten(1).any(1).reshape(-1, *(1,) * (image.ndim - 1))
        lesion = visible_lesion(image, target) & foreground
        detection = self.detection_loss(logits.float(), torch.cat([lesion, ignored], dim=1))
        reconstruction = masked_mse(restored, target, foreground)
        parts = {RECONSTRUCTION: reconstruction.detach(), "detection": detection.detach()}
        loss = reconstruction + self.settings.detection_weight * detection
        return StepResult(loss, restored, foreground, parts)


class nnUNetPretrainerDAE(nnUNetPretrainer[DAESettings, DAETask]):
    """Denoising autoencoder: coarse noise on the plan's own network, or synthetic lesions that it learns to erase.

    Kascenas, Pugeault, O'Neil, MIDL 2022, https://proceedings.mlr.press/v172/kascenas22a.html; on the noise: Kascenas
    et al., Medical Image Analysis 2023, https://arxiv.org/abs/2301.08330. Erasing synthetic lesions: the first half of
    DRAEM, Zavrtanik et al., ICCV 2021, https://arxiv.org/abs/2108.07610, and UNA, https://arxiv.org/abs/2506.10233.
    """

    settings_class = DAESettings
    task_class = DAETask

    def corrupting_transforms(self) -> list[BasicTransform]:
        """Synthetic lesions, where they are to be erased."""
        if self.settings.corruption == NOISE:
            return []
        return [lesions_in_images(self.settings, self.configuration_manager.spacing, self.channel_names)]
