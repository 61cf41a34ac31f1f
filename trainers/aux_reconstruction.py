"""Supervised training with an auxiliary reconstruction (Chen, arXiv 2108.03823; TAE-Seg, IEEE TIM 71, 2022)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from torch import nn

from nnunet_uad.common.settings import SETTINGS_VARIABLE
from nnunet_uad.networks.reconstruction import build_plan_network
from nnunet_uad.networks.reconstruction_branch import AuxiliaryLoss, ReconstructionBranchNetwork
from nnunet_uad.trainers.base import FineTuneSettings, FineTuneTrainer


@dataclass(frozen=True)
class AuxReconstructionSettings(FineTuneSettings):
    """Settings of training with an auxiliary reconstruction.

    Attributes:
        reconstruction_weight: λ, of the reconstruction's error beside the segmentation loss.
    """

    reconstruction_weight: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.reconstruction_weight < 0:
            raise ValueError(
                f"{SETTINGS_VARIABLE}: reconstruction_weight expects at least 0, found {self.reconstruction_weight}."
            )


class nnUNetTrainerAuxReconstruction(FineTuneTrainer):
    """From scratch, while a second decoder reconstructs the input from the deepest features.

    The branch is not computed at inference, and ``nnunet_uad export --stock`` leaves its weights out.
    """

    settings_class: type[AuxReconstructionSettings] = AuxReconstructionSettings
    settings: Any

    @staticmethod
    def build_network_architecture(
        plans_manager: PlansManager,
        configuration_manager: ConfigurationManager,
        num_input_channels: int,
        num_output_channels: int,
        enable_deep_supervision: bool = True,
    ) -> nn.Module:
        """The plan's network with the branch; nnU-Net calls this to train and to predict."""
        network = nnUNetTrainer.build_network_architecture(
            plans_manager, configuration_manager, num_input_channels, num_output_channels, enable_deep_supervision
        )
        reconstructor = build_plan_network(configuration_manager, num_input_channels, num_input_channels)
        return ReconstructionBranchNetwork(network, reconstructor)

    def _build_loss(self) -> AuxiliaryLoss:
        return AuxiliaryLoss(super()._build_loss(), self.settings.reconstruction_weight)
