"""Spatial autoencoders (Baur et al., BrainLes 2018, https://arxiv.org/abs/1804.04488) from the plan's encoder."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from dynamic_network_architectures.building_blocks.helper import get_matching_convtransp
from dynamic_network_architectures.building_blocks.simple_conv_blocks import StackedConvBlocks
from dynamic_network_architectures.initialization.weight_init import InitWeights_He
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager
from torch import nn
from torch.nn import functional

from nnunet_uad.networks.from_plans import network_from_plans

#: Positions per axis of the code (Baur et al.: 16 x 16), at most this share of the image's.
CODE_SIZE, LARGEST_SHARE = 16, 0.25


@dataclass(frozen=True)
class AutoencoderRecipe:
    """Recipe of a spatial autoencoder.

    Attributes:
        name: Class of the plan's network.
        arguments: Arguments of that class.
        requires_import: Arguments that name a class.
        channels: Number of channels of the image.
        stage: Stage of the encoder on whose grid the code lies.
        code_channels: Number of channels of the code.
        variational: Whether the code is a Gaussian per position.
    """

    name: str
    arguments: dict[str, Any]
    requires_import: tuple[str, ...]
    channels: int
    stage: int
    code_channels: int
    variational: bool

    @classmethod
    def of(
        cls, manager: ConfigurationManager, channels: int, code_channels: int, code_size: int, variational: bool
    ) -> AutoencoderRecipe:
        """The recipe that suits a plan.

        Args:
            manager: Configuration of the plan.
            channels: Number of channels of the image.
            code_channels: Number of channels of the code.
            code_size: Wanted positions per axis; 0: 16, but at most a quarter of the patch. The encoder's stage whose
                grid is nearest is taken.
            variational: Whether to build a VAE.

        Raises:
            ValueError: A code larger than the image, or an encoder that never reduces the image.
        """
        return cls(
            manager.network_arch_class_name,
            dict(manager.network_arch_init_kwargs),
            tuple(manager.network_arch_init_kwargs_req_import),
            channels,
            _code_stage(manager, code_size),
            code_channels,
            variational,
        )

    def build(self) -> SpatialAutoencoder:
        """The network, with fresh weights."""
        return SpatialAutoencoder(self)

    def to_json(self) -> dict[str, Any]:
        """The recipe as a mapping that survives JSON."""
        return {"kind": "autoencoder", **asdict(self), "requires_import": list(self.requires_import)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> AutoencoderRecipe:
        """The recipe back from :meth:`to_json`."""
        return cls(**{**content, "requires_import": tuple(content["requires_import"])})


def _code_stage(manager: ConfigurationManager, code_size: int) -> int:
    """The encoder's stage whose grid is nearest to ``code_size`` positions per axis."""
    patch = np.array(manager.patch_size, dtype=float)
    if code_size > patch.min():
        raise ValueError(
            f"code_size={code_size} is larger than the image of "
            f"{' x '.join(map(str, manager.patch_size))} voxels: nothing would be compressed. Choose at most "
            f"{int(patch.min()) // 2}, or 0 for the size from the plan."
        )
    strides = np.cumprod(np.array(manager.pool_op_kernel_sizes), axis=0)
    edge = [float(np.exp(np.mean(np.log(patch / s)))) for s in strides]
    reducing = [stage for stage, stride in enumerate(strides) if stride.prod() > 1]
    if not reducing:
        raise ValueError(
            "The plan's encoder never reduces the image, so an autoencoder has no bottleneck. Plan a network with "
            "more stages (nnunet_uad small-plan --features …)."
        )
    wanted = code_size or min(CODE_SIZE, LARGEST_SHARE * float(np.exp(np.mean(np.log(patch)))))
    return min(reducing, key=lambda s: abs(math.log(edge[s] / wanted)))


class SpatialAutoencoder(nn.Module):
    """The plan's whole encoder, a code on the grid of one of its stages, a mirrored decoder without skips.

    The features of that stage and of all deeper ones, upsampled to its grid, are projected and added up to the code.
    So every weight of the encoder learns and can be transferred, while nothing but the code reaches the decoder.

    Args:
        recipe: Sizes of the autoencoder.
    """

    def __init__(self, recipe: AutoencoderRecipe) -> None:
        super().__init__()
        self.recipe = recipe
        plan = network_from_plans(recipe.name, recipe.arguments, recipe.requires_import, recipe.channels, 1)
        self.encoder = plan.encoder
        convolution = self.encoder.conv_op
        outputs = recipe.code_channels * (2 if recipe.variational else 1)
        self.to_code = nn.ModuleList(convolution(f, outputs, 1) for f in self.encoder.output_channels[recipe.stage :])
        self.generator = _generator(self.encoder, recipe, recipe.arguments["n_conv_per_stage_decoder"])
        self.generator.apply(InitWeights_He(1e-2))

    def encode(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Mean and log variance (``None`` unless variational) of the code: (B, code channels, *grid)."""
        features = self.encoder(image)[self.recipe.stage :]
        code = self.to_code[0](features[0])
        for project, feature in zip(self.to_code[1:], features[1:], strict=True):
            code = code + functional.interpolate(project(feature), size=code.shape[2:])
        if not self.recipe.variational:
            return code, None
        mean, log_variance = code.chunk(2, dim=1)
        # exp of what a young network says must not overflow half precision.
        return mean, log_variance.clamp(-10.0, 10.0)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Reconstruction (B, C, *spatial) from the code's mean; sizes are multiples of the encoder's total stride."""
        return self.generator(self.encode(image)[0])


def kl_divergence(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """KL(N(mean, exp(log_variance)) ‖ N(0, 1)) of every image, summed over its code (Kingma and Welling, 2014, B)."""
    mean, log_variance = mean.float(), log_variance.float()
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).flatten(1).sum(1)


def _generator(encoder: nn.Module, recipe: AutoencoderRecipe, convolutions: Sequence[int] | int) -> nn.Sequential:
    """The decoder: the encoder's stages in reverse, from the code's grid to the image's."""
    stages = len(encoder.output_channels)
    count = [convolutions] * (stages - 1) if isinstance(convolutions, int) else list(convolutions)
    upsampling = get_matching_convtransp(conv_op=encoder.conv_op)
    layers = [_blocks(encoder, recipe.stage, recipe.code_channels, 1)]
    for stage in range(recipe.stage, 0, -1):
        stride = encoder.strides[stage]
        width, next_width = encoder.output_channels[stage], encoder.output_channels[stage - 1]
        layers.append(upsampling(width, next_width, stride, stride, bias=encoder.conv_bias))
        layers.append(_blocks(encoder, stage - 1, next_width, count[stages - 1 - stage]))
    layers.append(encoder.conv_op(encoder.output_channels[0], recipe.channels, 1))
    return nn.Sequential(*layers)


def _blocks(encoder: nn.Module, stage: int, inputs: int, count: int) -> StackedConvBlocks:
    return StackedConvBlocks(
        count,
        encoder.conv_op,
        inputs,
        encoder.output_channels[stage],
        encoder.kernel_sizes[stage],
        1,
        encoder.conv_bias,
        encoder.norm_op,
        encoder.norm_op_kwargs,
        encoder.dropout_op,
        encoder.dropout_op_kwargs,
        encoder.nonlin,
        encoder.nonlin_kwargs,
    )
