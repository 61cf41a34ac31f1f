"""Segmentation with the residual of a frozen denoising autoencoder."""

from __future__ import annotations

from nnunet_uad.trainers.residual import nnUNetTrainerResidual


class nnUNetTrainerDAEResidual(nnUNetTrainerResidual):
    """The residual of ``nnUNetPretrainerDAE`` as further input channels."""

    restorer_pretrainer = "nnUNetPretrainerDAE"
