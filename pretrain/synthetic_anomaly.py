"""Segmentation of synthetic anomalies in healthy patches."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from nnunetv2.training.loss.compound_losses import DC_and_BCE_loss
from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager
from torch import nn

from nnunet_uad.anomalies.anomaly_settings import AnomalySettings
from nnunet_uad.anomalies.transforms import RandomAnomalyTransform
from nnunet_uad.common.bounds import FilterSize
from nnunet_uad.data.centres import LEAST_EDGE
from nnunet_uad.networks.recipe import PlanRecipe
from nnunet_uad.pretrain.base import nnUNetPretrainer
from nnunet_uad.pretrain.pretrain_settings import PretrainSettings
from nnunet_uad.pretrain.task import Geometry, PretrainTask, StepResult
from nnunet_uad.restoration.base import Restoration


@dataclass(frozen=True)
class SyntheticAnomalySettings(AnomalySettings, PretrainSettings):
    """Settings of the segmentation of synthetic anomalies.

    Attributes:
        smoothing_mm: Standard deviation of a Gaussian over the map, mm; a probability needs none.
    """

    smoothing_mm: FilterSize = 0.0

    def recipe(self, manager: ConfigurationManager, channels: int) -> PlanRecipe:
        """The plan's network with one output."""
        return PlanRecipe.of(manager, channels, 1)


class AnomalyProbability(Restoration):
    """Nothing is reconstructed: the network's probability is the score."""

    kind = "probability"
    reconstructs = False
    detects = True

    def detect(self, network: nn.Module, image: torch.Tensor) -> torch.Tensor:
        """Probability of an anomaly (B, 1, *spatial)."""
        return network(image).float().sigmoid()


class SyntheticAnomalyTask(PretrainTask):
    """Find what was put into the patch; cross-entropy and Dice, as nnU-Net's for regions.

    Args:
        settings: Settings of the method.
        geometry: Geometry of the patches.
    """

    method = "SyntheticAnomaly"
    restoration = AnomalyProbability()
    quality_name = "Dice"

    def __init__(self, settings: SyntheticAnomalySettings, geometry: Geometry) -> None:
        super().__init__(settings, geometry)
        self.loss = DC_and_BCE_loss(
            {},
            {"batch_dice": True, "do_bg": True, "smooth": 1e-5, "ddp": False},
            dice_class=MemoryEfficientSoftDiceLoss,
        )

    def step(self, network: nn.Module, clean: torch.Tensor, foreground: torch.Tensor) -> StepResult:
        """Compare with the mask (B, 1, *spatial): here ``clean`` carries anomalies, and ``foreground`` says where."""
        output = network(clean)
        return StepResult(self.loss(output, foreground.to(output.dtype)), output, foreground)

    def quality_sums(self, result: StepResult, clean: torch.Tensor) -> torch.Tensor:
        """Overlap and size of predicted and true anomalies, voxels; two scalars."""
        if result.output is None or result.weight is None:
            raise TypeError("The Dice needs the network's output.")
        predicted, true = result.output > 0, result.weight
        return torch.stack([(predicted & true).sum(), predicted.sum() + true.sum()])

    def quality(self, first: float, second: float) -> float:
        """Dice."""
        return 2 * first / max(second, 1.0)


class nnUNetPretrainerSyntheticAnomaly(nnUNetPretrainer[SyntheticAnomalySettings, SyntheticAnomalyTask]):
    """The plan's network, trained to segment synthetic anomalies; its probability is the anomaly score.

    DRAEM: Zavrtanik et al., ICCV 2021, https://arxiv.org/abs/2108.07610; CutPaste: Li et al., CVPR 2021,
    https://arxiv.org/abs/2104.04015; foreign patches: Tan et al., https://arxiv.org/abs/2011.04197 and
    https://arxiv.org/abs/2107.02622; the peer is nnOOD: Baugh et al., 2022.
    """

    settings_class = SyntheticAnomalySettings
    task_class = SyntheticAnomalyTask

    @property
    def least_foreground(self) -> int:  # type: ignore[override]
        """Voxels that a healthy slice must have to take a lesion."""
        return LEAST_EDGE ** len(self.configuration_manager.patch_size)

    def further_transforms(self) -> list[BasicTransform]:
        """Anomalies, in the foreground that the transforms before left as 1."""
        spacing = self.configuration_manager.spacing
        return [RandomAnomalyTransform(self.settings, spacing, self.channel_names, marker=1, label=1)]
