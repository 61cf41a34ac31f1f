"""Both halves of TAE-Seg: tile-wise pretraining, and the auxiliary reconstruction while fine-tuning."""

from __future__ import annotations

from dataclasses import dataclass, replace

from nnunet_uad.networks.reconstruction_branch import BRANCH
from nnunet_uad.trainers.aux_reconstruction import AuxReconstructionSettings, nnUNetTrainerAuxReconstruction
from nnunet_uad.trainers.pretrained import PretrainedSettings, nnUNetTrainerPretrained
from nnunet_uad.weights.readers import SourceWeights


@dataclass(frozen=True)
class TAEAuxReconstructionSettings(AuxReconstructionSettings, PretrainedSettings):
    """Settings of both."""

    # Said again: of two parents the first wins, and training from scratch freezes nothing.
    freeze_encoder_epochs: float = 0.3


class nnUNetTrainerTAEPretrainedAuxReconstruction(nnUNetTrainerAuxReconstruction, nnUNetTrainerPretrained):
    """Fine-tuning from ``nnUNetPretrainerTAE``; its decoder starts both, segmentation and reconstruction."""

    pretrainer = "nnUNetPretrainerTAE"
    settings_class = TAEAuxReconstructionSettings

    def adapt_source(self, source: SourceWeights) -> SourceWeights:
        """The pretrained decoder once more, under the branch's name."""
        decoder = {n: t for n, t in source.tensors.items() if n.startswith("decoder.")}
        branch = {f"{BRANCH}.{n.removeprefix('decoder.')}": t for n, t in decoder.items()}
        return replace(source, tensors={**source.tensors, **branch})
