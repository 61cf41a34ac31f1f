"""Segmentation with the residual of a frozen diffusion model (Behrendt et al., MIDL 2024)."""

from __future__ import annotations

from nnunet_uad.trainers.residual import nnUNetTrainerResidual


class nnUNetTrainerDiffusionResidual(nnUNetTrainerResidual):
    """The residual of ``nnUNetPretrainerDDPM`` as further input channels."""

    restorer_pretrainer = "nnUNetPretrainerDDPM"
