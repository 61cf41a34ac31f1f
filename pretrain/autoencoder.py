"""Spatial autoencoders (Baur et al., BrainLes 2018): plain and variational."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager
from torch import nn

from nnunet_uad.common.settings import SETTINGS_VARIABLE, check_choices
from nnunet_uad.networks.autoencoder_training import AutoencoderOutput, AutoencoderTraining
from nnunet_uad.networks.discriminator import PatchwiseDiscriminator
from nnunet_uad.networks.spatial_autoencoder import AutoencoderShape, SpatialAutoencoder, autoencoder_shape
from nnunet_uad.pretrain.base import PretrainSettings, nnUNetPretrainer
from nnunet_uad.pretrain.task import ReconstructionTask, masked_l1, masked_mse
from nnunet_uad.restoration.direct import DirectRestoration
from nnunet_uad.restoration.frozen import describe_autoencoder
from nnunet_uad.training.memory import device_bytes, training_bytes

LOSSES = {"l1": masked_l1, "l2": masked_mse}
VIEWS = ("auto", "patch", "image")


@dataclass(frozen=True)
class AutoencoderSettings(PretrainSettings):
    """Settings of a spatial autoencoder.

    Attributes:
        reconstruction_loss: ``l1`` or ``l2``, over the foreground.
        code_channels: channels of the code.
        code_size: positions of the code per axis; 0: about 16, at most a quarter of the patch. The nearest stage of
            the plan's encoder is taken.
        view: what a patch shows: ``image`` the whole slice or volume, ``patch`` the plan's patch; ``auto``: the image
            in 2D, the patch in 3D.
    """

    intensity_weight: float = 0.0
    smoothing_mm: float = 0.0
    median_mm: float = 5.0
    erosion_mm: float = 2.0
    reconstruction_loss: str = "l1"
    code_channels: int = 16
    code_size: int = 0
    view: str = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choices(self, {"reconstruction_loss": tuple(LOSSES), "view": VIEWS})
        if self.code_channels < 1 or self.code_size < 0:
            raise ValueError(
                f"{SETTINGS_VARIABLE}: code_channels expects at least 1 and code_size at least 0, found "
                f"{self.code_channels} and {self.code_size}."
            )


class AutoencoderTask(ReconstructionTask):
    """Restore the image from its code."""

    method = "AE"
    variational = False
    citation = (
        "Baur, Wiestler, Albarqouni, Navab: Deep Autoencoding Models for Unsupervised Anomaly Segmentation in Brain MR "
        "Images, BrainLes 2018, arXiv 1804.04488; Baur et al.: Autoencoders for Unsupervised Anomaly Segmentation in "
        "Brain MR Images: A Comparative Study, Medical Image Analysis 2021"
    )

    def __init__(self, settings: AutoencoderSettings, **geometry: tuple) -> None:
        super().__init__(**geometry)
        self.settings = settings

    def forward(self, network: nn.Module, clean: torch.Tensor, foreground: torch.Tensor) -> dict[str, torch.Tensor]:
        """Reconstruct, and compare in the foreground."""
        found: AutoencoderOutput = network(clean, foreground)
        reconstruction = LOSSES[self.settings.reconstruction_loss](found.output, clean, foreground)
        result = {"loss": reconstruction, "output": found.output, "weight": foreground, "parts": {}}
        self.add_to_loss(result, found, foreground)
        if result["parts"]:
            result["parts"] = {"reconstruction": reconstruction.detach(), **result["parts"]}
        return result

    def add_to_loss(self, result: dict[str, Any], found: AutoencoderOutput, foreground: torch.Tensor) -> None:
        """Further terms of the loss, in place; none here."""

    def shape(self, manager: ConfigurationManager, channels: int) -> AutoencoderShape:
        """Size of the autoencoder for a plan."""
        settings = self.settings
        return autoencoder_shape(manager, channels, settings.code_channels, settings.code_size, self.variational)

    def describe(self, manager: ConfigurationManager, channels: int) -> dict[str, Any]:
        """The autoencoder, called on the image itself."""
        return {
            "network": describe_autoencoder(self.shape(manager, channels)),
            "restoration": {"kind": DirectRestoration.kind},
        }

    def reconstruct(self, network: nn.Module, image: torch.Tensor, extra: torch.Tensor) -> torch.Tensor:
        """From the code's mean."""
        return network(image)


class nnUNetPretrainerAE(nnUNetPretrainer):
    """Spatial autoencoder: the plan's encoder, a small code, a decoder without skips."""

    settings_class: type[AutoencoderSettings] = AutoencoderSettings
    task_class: type[AutoencoderTask] = AutoencoderTask
    settings: Any
    task: Any
    memory_advice = "view=patch"

    @classmethod
    def adapt_configuration(cls, settings: Any, manager: ConfigurationManager) -> ConfigurationManager:
        """Whole images as patches where the settings ask for them; the batch then holds about as many voxels."""
        patch = [int(p) for p in manager.patch_size]
        if not (settings.view == "image" or (settings.view == "auto" and len(patch) == 2)):
            return manager
        strides = np.prod(manager.pool_op_kernel_sizes, axis=0)
        image = [math.ceil(m / s) * int(s) for m, s in zip(manager.median_image_size_in_voxels, strides, strict=True)]
        whole = [max(p, i) for p, i in zip(patch, image, strict=True)]
        batch = max(2, round(manager.batch_size * math.prod(patch) / math.prod(whole)))
        return ConfigurationManager({**manager.configuration, "patch_size": whole, "batch_size": batch})

    @classmethod
    def make_network(cls, settings: Any, manager: ConfigurationManager, channels: int) -> nn.Module:
        """The autoencoder and what is trained with it."""
        task = cls.make_task(settings, manager)
        autoencoder = SpatialAutoencoder(task.shape(manager, channels))
        return AutoencoderTraining(autoencoder, *cls.make_opponent(settings, manager, channels))

    @classmethod
    def make_opponent(
        cls, settings: Any, manager: ConfigurationManager, channels: int
    ) -> tuple[PatchwiseDiscriminator | None, bool]:
        """A discriminator, and whether R1 keeps it smooth; none here."""
        return None, False

    @staticmethod
    def restoring(network: nn.Module) -> nn.Module:
        """The autoencoder."""
        return network.autoencoder

    def before_training(self) -> None:
        """Refuse what does not fit into memory, and say how small the code is."""
        super().before_training()
        channels = len(self.dataset_json["channel_names"])
        manager, shape = self.configuration_manager, self.bare_network.autoencoder.shape
        self._refuse_too_large(channels)
        strides = np.cumprod(np.array(manager.pool_op_kernel_sizes), axis=0)[shape.stage]
        grid = [-(-int(p) // int(s)) for p, s in zip(manager.patch_size, strides, strict=True)]
        code, image = shape.code_channels * math.prod(grid), channels * math.prod(manager.patch_size)
        self.print_to_log_file(
            f"Patches of {' x '.join(map(str, manager.patch_size))} voxels, {manager.batch_size} a batch. The code has "
            f"{' x '.join(map(str, grid))} positions of {shape.code_channels} channels: {code} values for {image}."
        )
        if code >= image:
            self.print_to_log_file("WARNING: the code is no smaller than the image: lower code_channels or code_size.")

    def _refuse_too_large(self, channels: int) -> None:
        manager = self.configuration_manager
        size = (self.batch_size, channels, *manager.patch_size)

        def step(network: nn.Module) -> None:
            image = torch.empty(size, device="meta")
            network(image, torch.ones((size[0], 1, *size[2:]), dtype=torch.bool, device="meta"))

        needed, there = training_bytes(self.bare_network, step), device_bytes(self.device)
        if needed > there:
            raise RuntimeError(
                f"An autoencoder of whole images does not fit: a step with {self.batch_size} images of "
                f"{' x '.join(map(str, manager.patch_size))} voxels takes about {needed / 2**30:.1f} GiB, "
                f'{self.device} has {there / 2**30:.1f}. Train on patches ({SETTINGS_VARIABLE}="view=patch" '
                "nnUNetv2_train …), or plan a smaller batch or a coarser spacing (nnunet_uad small-plan)."
            )
