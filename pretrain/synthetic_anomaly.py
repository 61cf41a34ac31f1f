"""Segmentation of synthetic anomalies in healthy patches (DRAEM, CutPaste, FPI, PII; the peer is nnOOD)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from nnunetv2.training.loss.compound_losses import DC_and_BCE_loss
from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager
from torch import nn

from nnunet_uad.anomalies.anomaly_settings import AnomalySettings
from nnunet_uad.anomalies.transforms import RandomAnomalyTransform
from nnunet_uad.data.centres import LEAST_EDGE
from nnunet_uad.networks.reconstruction import build_plan_network
from nnunet_uad.pretrain.base import PretrainSettings, nnUNetPretrainer
from nnunet_uad.pretrain.task import ReconstructionTask


@dataclass(frozen=True)
class SyntheticAnomalySettings(AnomalySettings, PretrainSettings):
    """Settings of the segmentation of synthetic anomalies.

    Attributes:
        smoothing_mm: as for every score; a probability needs none.
    """

    smoothing_mm: float = 0.0

    def __post_init__(self) -> None:
        AnomalySettings.__post_init__(self)
        PretrainSettings.__post_init__(self)


class SyntheticAnomalyTask(ReconstructionTask):
    """Find what was put into the patch; cross-entropy and Dice, as nnU-Net's for regions."""

    method = "SyntheticAnomaly"
    restores = False
    detects = True
    citation = (
        "Zavrtanik et al.: DRAEM, ICCV 2021; Li et al.: CutPaste, CVPR 2021; Tan et al.: Detecting Outliers with "
        "Foreign Patch Interpolation, 2020, and Poisson Image Interpolation, MICCAI 2021; Baugh et al.: nnOOD, 2022"
    )

    def __init__(self, settings: SyntheticAnomalySettings, **geometry: tuple) -> None:
        super().__init__(**geometry)
        self.loss = DC_and_BCE_loss(
            {},
            {"batch_dice": True, "do_bg": True, "smooth": 1e-5, "ddp": False},
            dice_class=MemoryEfficientSoftDiceLoss,
        )

    def forward(self, network: nn.Module, clean: torch.Tensor, foreground: torch.Tensor) -> dict[str, torch.Tensor]:
        """Compare with the mask: here ``clean`` carries anomalies, and ``foreground`` says where."""
        output = network(clean)
        return {"loss": self.loss(output, foreground.to(output.dtype)), "output": output, "weight": foreground}

    def quality_sums(self, result: dict[str, torch.Tensor], clean: torch.Tensor) -> torch.Tensor:
        """Overlap and size of found and true anomalies."""
        found, true = result["output"] > 0, result["weight"]
        return torch.stack([(found & true).sum(), found.sum() + true.sum()])

    @staticmethod
    def quality(first: float, second: float) -> float:
        """Dice."""
        return 2 * first / max(second, 1.0)

    def detect(self, network: nn.Module, image: torch.Tensor) -> torch.Tensor:
        """Probability of an anomaly."""
        return network(image).float().sigmoid()


class nnUNetPretrainerSyntheticAnomaly(nnUNetPretrainer):
    """The plan's network, trained to segment synthetic anomalies; its probability is the anomaly score."""

    settings_class = SyntheticAnomalySettings
    task_class = SyntheticAnomalyTask
    settings: Any

    @property
    def least_foreground(self) -> int:  # type: ignore[override]
        """Voxels that a healthy slice must have to take a lesion."""
        return LEAST_EDGE ** len(self.configuration_manager.patch_size)

    @classmethod
    def make_network(cls, settings: Any, manager: ConfigurationManager, channels: int) -> nn.Module:
        """The plan's network with one output."""
        return build_plan_network(manager, channels, 1)

    def further_transforms(self) -> list[BasicTransform]:
        """Anomalies, in the foreground that the transforms before left as 1."""
        names = list(self.dataset_json["channel_names"].values())
        return [RandomAnomalyTransform(self.settings, self.configuration_manager.spacing, names, marker=1, label=1)]
