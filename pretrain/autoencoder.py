"""What spatial autoencoders share: settings, a loss of terms, whole slices as patches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import numpy as np
import torch
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager
from torch import nn

from nnunet_uad.common.bounds import FilterSize, Share, Width, WidthOrAuto
from nnunet_uad.common.channels import AUTO
from nnunet_uad.common.precision import is_mixed
from nnunet_uad.common.settings import SETTINGS_VARIABLE, check_choices
from nnunet_uad.networks.autoencoder_training import AutoencoderOutput, AutoencoderTraining
from nnunet_uad.networks.spatial_autoencoder import AutoencoderRecipe
from nnunet_uad.pretrain.base import nnUNetPretrainer
from nnunet_uad.pretrain.pretrain_settings import PretrainSettings
from nnunet_uad.pretrain.task import ReconstructionTask, StepResult
from nnunet_uad.pretrain.terms import RECONSTRUCTION_LOSSES, Term
from nnunet_uad.restoration.base import Restoration
from nnunet_uad.restoration.sampled_code import SampledCode
from nnunet_uad.training.memory import TOLERANCE, device_bytes, training_bytes

VIEWS = (AUTO, "patch", "image")


@dataclass(frozen=True)
class AutoencoderSettings(PretrainSettings):
    """Settings of a spatial autoencoder.

    Attributes:
        reconstruction_loss: Error over the foreground, ``l1`` or ``l2``.
        code_channels: Number of channels of the code.
        code_size: Positions of the code per axis; 0: about 16, at most a quarter of the patch. The nearest stage of
            the plan's encoder is taken.
        view: Extent of a patch: ``image`` the whole slice or volume, ``patch`` the plan's patch; ``auto``: the image
            in 2D, the patch in 3D.
    """

    #: Whether the code is a Gaussian per position.
    variational: ClassVar[bool] = False

    intensity_weight: Share = 0.0
    smoothing_mm: FilterSize = 0.0
    median_mm: FilterSize = 5.0
    erosion_mm: FilterSize = 2.0
    reconstruction_loss: str = "l1"
    code_channels: Width = 16
    code_size: WidthOrAuto = 0
    view: str = AUTO

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choices(self, {"reconstruction_loss": tuple(RECONSTRUCTION_LOSSES), "view": VIEWS})

    def recipe(self, manager: ConfigurationManager, channels: int) -> AutoencoderRecipe:
        """An autoencoder sized from the plan."""
        return AutoencoderRecipe.of(manager, channels, self.code_channels, self.code_size, self.variational)

    def code_cell(self, manager: ConfigurationManager) -> tuple[int, ...]:
        """Voxels per axis that a position of the code stands for.

        Args:
            manager: Configuration of the plan.
        """
        strides = np.cumprod(np.array(manager.pool_op_kernel_sizes), axis=0)
        return tuple(int(s) for s in strides[self.recipe(manager, 1).stage])


S = TypeVar("S", bound=AutoencoderSettings)


class AutoencoderTask(ReconstructionTask):
    """Reconstruct the image from its code; the loss is a sum of :attr:`terms`."""

    #: Terms of the loss; the first is the reconstruction's.
    terms: Sequence[Term]

    def step(self, network: nn.Module, clean: torch.Tensor, foreground: torch.Tensor) -> StepResult:
        """Encode, decode, judge the patches (B, C, *spatial); add up what the terms say."""
        answer: AutoencoderOutput = network(clean, foreground)
        loss: torch.Tensor | None = None
        parts: dict[str, torch.Tensor] = {}
        for term in self.terms:
            said = term(answer, clean, foreground, self.progress)
            for summand in said.summands:
                loss = summand if loss is None else loss + summand
            parts |= said.parts
        if loss is None:
            raise ValueError(f"{type(self).__name__} has no terms, so there is no loss.")
        # A loss of a single part is in the log already.
        return StepResult(loss, answer.output, foreground, parts if len(self.terms) > 1 else {})

    def concerns(self, means: dict[str, float]) -> list[str]:
        """What the terms have to say of the training."""
        return [concern for term in self.terms for concern in term.concerns(means)]


class AutoencoderPretrainer(nnUNetPretrainer[S, AutoencoderTask]):
    """Base of the spatial autoencoders: the plan's encoder, a small code, a decoder without skips."""

    settings_class: type[S]
    task_class: type[AutoencoderTask]

    @classmethod
    def adapt_configuration(cls, settings: S, manager: ConfigurationManager) -> ConfigurationManager:
        """Whole images as patches where the settings ask for them; the batch then holds about as many voxels."""
        patch = [int(p) for p in manager.patch_size]
        if not (settings.view == "image" or (settings.view == AUTO and len(patch) == 2)):
            return manager
        strides = np.prod(manager.pool_op_kernel_sizes, axis=0)
        image = [math.ceil(m / s) * int(s) for m, s in zip(manager.median_image_size_in_voxels, strides, strict=True)]
        whole = [max(p, i) for p, i in zip(patch, image, strict=True)]
        batch = max(2, round(manager.batch_size * math.prod(patch) / math.prod(whole)))
        return ConfigurationManager({**manager.configuration, "patch_size": whole, "batch_size": batch})

    @classmethod
    def make_task(cls, settings: S, manager: ConfigurationManager) -> AutoencoderTask:
        """The task; where the code is a Gaussian, one of several draws is made from a sample of it."""
        task = super().make_task(settings, manager)
        if settings.variational:
            task.restoration = Restoration()
            task.restoration.drawing = SampledCode(settings.code_cell(manager))
        return task

    @classmethod
    def make_network(cls, settings: S, manager: ConfigurationManager, channels: int) -> nn.Module:
        """The autoencoder, as it is trained."""
        return AutoencoderTraining(settings.recipe(manager, channels).build())

    @property
    def memory_advice(self) -> str:  # type: ignore[override]
        """Patches instead of whole images; empty where the patch is the image already."""
        planned = self.plans_manager.get_configuration(self.configuration_name).patch_size
        return "view=patch" if math.prod(planned) < math.prod(self.configuration_manager.patch_size) else ""

    @staticmethod
    def networks(network: nn.Module) -> dict[str, nn.Module]:
        """The autoencoder and, if there is one, its discriminator."""
        return dict(network.named_children())

    @staticmethod
    def restoring(network: nn.Module) -> nn.Module:
        """The autoencoder."""
        return network.autoencoder

    def before_training(self) -> None:
        """Refuse what does not fit into memory, and say how small the code is."""
        super().before_training()
        channels = len(self.channel_names)
        manager, recipe = self.configuration_manager, self.bare_network.autoencoder.recipe
        self._refuse_too_large(channels)
        cell = self.settings.code_cell(manager)
        grid = [-(-int(p) // s) for p, s in zip(manager.patch_size, cell, strict=True)]
        code, image = recipe.code_channels * math.prod(grid), channels * math.prod(manager.patch_size)
        self.print_to_log_file(
            f"Patches of {' x '.join(map(str, manager.patch_size))} voxels, {manager.batch_size} a batch. The code has "
            f"{' x '.join(map(str, grid))} positions of {recipe.code_channels} channels: {code} values for {image}."
        )
        if code >= image:
            self.print_to_log_file("WARNING: the code is no smaller than the image: lower code_channels or code_size.")

    def _refuse_too_large(self, channels: int) -> None:
        manager = self.configuration_manager
        size = (self.batch_size, channels, *manager.patch_size)

        def one_step(network: nn.Module) -> None:
            """Forward pass of images (B, C, *spatial) on the meta device, which computes shapes only."""
            image = torch.empty(size, device="meta")
            network(image, torch.ones((size[0], 1, *size[2:]), dtype=torch.bool, device="meta"))

        needed = training_bytes(self.bare_network, one_step, mixed=is_mixed(self.settings.amp, self.device))
        available = device_bytes(self.device)
        if needed > TOLERANCE * available:
            patches = (
                f'Train on patches ({SETTINGS_VARIABLE}="{self.memory_advice}" nnUNetv2_train …), or plan'
                if self.memory_advice
                else "Plan"
            )
            raise RuntimeError(
                f"The autoencoder does not fit: a step with {self.batch_size} images of "
                f"{' x '.join(map(str, manager.patch_size))} voxels takes about {needed / 2**30:.1f} GiB, "
                f"{self.device} has {available / 2**30:.1f}. {patches} a smaller batch or a coarser spacing "
                "(nnunet_uad small-plan)."
            )
