"""Spatial autoencoder, plain."""

from __future__ import annotations

from nnunet_uad.pretrain.autoencoder import AutoencoderPretrainer, AutoencoderSettings, AutoencoderTask
from nnunet_uad.pretrain.task import Geometry
from nnunet_uad.pretrain.terms import Reconstruction


class AETask(AutoencoderTask):
    """Reconstruct the image from its code.

    Args:
        settings: Settings of the autoencoder.
        geometry: Geometry of the patches.
    """

    method = "AE"

    def __init__(self, settings: AutoencoderSettings, geometry: Geometry) -> None:
        super().__init__(settings, geometry)
        self.terms = [Reconstruction(settings.reconstruction_loss)]


class nnUNetPretrainerAE(AutoencoderPretrainer[AutoencoderSettings]):
    """Spatial autoencoder: the plan's encoder, a small code, a decoder without skips.

    Baur et al., BrainLes 2018, https://arxiv.org/abs/1804.04488; comparative study, Medical Image Analysis 2021,
    https://arxiv.org/abs/2004.03271.
    """

    settings_class = AutoencoderSettings
    task_class = AETask
