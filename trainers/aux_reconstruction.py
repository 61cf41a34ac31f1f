"""Supervised training with an auxiliary reconstruction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from torch import nn

from nnunet_uad.common.bounds import Weight
from nnunet_uad.common.settings import Settings
from nnunet_uad.networks.recipe import PlanRecipe
from nnunet_uad.networks.reconstruction_branch import BRANCH, AuxiliaryLoss, ReconstructionBranchNetwork
from nnunet_uad.trainers.base import FineTuneTrainer
from nnunet_uad.trainers.fine_tune_settings import FineTuneSettings
from nnunet_uad.trainers.pretrained import TransferSection, nnUNetTrainerPretrained
from nnunet_uad.weights.source import SourceWeights


@dataclass(frozen=True)
class AuxSection(Settings):
    """Settings of an auxiliary reconstruction.

    Attributes:
        reconstruction_weight: Weight λ of the reconstruction's error beside the segmentation loss.
    """

    reconstruction_weight: Weight = 0.1


@dataclass(frozen=True)
class AuxReconstructionSettings(AuxSection, FineTuneSettings):
    """Settings of training with an auxiliary reconstruction."""


@dataclass(frozen=True)
class PretrainedAuxReconstructionSettings(AuxSection, TransferSection, FineTuneSettings):
    """Settings of fine-tuning with an auxiliary reconstruction; the defaults are those of fine-tuning."""


class nnUNetTrainerAuxReconstruction(FineTuneTrainer):
    """From scratch, while a second decoder reconstructs the input from the deepest features.

    Chen, https://arxiv.org/abs/2108.03823; TAE-Seg, IEEE Transactions on Instrumentation and Measurement 71, 2022. The
    branch is not computed at inference, and ``nnunet_uad export --stock`` leaves its weights out.
    """

    settings_class: type[FineTuneSettings] = AuxReconstructionSettings

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
        reconstructor = PlanRecipe.of(configuration_manager, num_input_channels).build()
        return ReconstructionBranchNetwork(network, reconstructor)

    def _build_loss(self) -> AuxiliaryLoss:
        return AuxiliaryLoss(super()._build_loss(), cast("AuxSection", self.settings).reconstruction_weight)


class nnUNetTrainerTAEPretrainedAuxReconstruction(nnUNetTrainerAuxReconstruction, nnUNetTrainerPretrained):
    """Both halves of TAE-Seg: from ``nnUNetPretrainerTAE``, whose decoder starts both, segmentation and reconstruction.

    Chen, https://arxiv.org/abs/2108.03823.
    """

    pretrainer = "nnUNetPretrainerTAE"
    settings_class = PretrainedAuxReconstructionSettings

    def adapt_source(self, source: SourceWeights) -> SourceWeights:
        """The pretrained decoder once more, under the branch's name."""
        decoder = {n: t for n, t in source.tensors.items() if n.startswith("decoder.")}
        branch = {f"{BRANCH}.{n.removeprefix('decoder.')}": t for n, t in decoder.items()}
        return replace(source, tensors={**source.tensors, **branch})
