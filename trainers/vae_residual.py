"""Segmentation with the residual of a frozen variational autoencoder."""

from __future__ import annotations

from nnunet_uad.trainers.residual import nnUNetTrainerResidual


class nnUNetTrainerVAEResidual(nnUNetTrainerResidual):
    """Residual channels of ``nnUNetPretrainerVAE``."""

    restorer_pretrainer = "nnUNetPretrainerVAE"
