"""The diffusion network: MONAI's U-Net with a time embedding, sized from the plan."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager
from torch import nn
from torch.nn import functional

from nnunet_uad.networks.recipe import PlanRecipe

#: Channels per level as multiples of the width (Behrendt et al., MIDL 2024: 1, 2, 2).
MULTIPLIERS = (1, 2, 2, 2)
#: The coarsest grid must keep so many voxels per axis: below that, zero padding outweighs the image.
SMALLEST_GRID = 3
#: Axes whose spacing exceeds the finest by this factor are not halved in the stem (nnU-Net pools them late, too).
ANISOTROPY = 2.0


@dataclass(frozen=True)
class DiffusionRecipe:
    """Recipe of a diffusion network.

    Attributes:
        channels: Number of channels of the image, in and out.
        stem_stride: Voxels per axis that are folded into channels before the first convolution.
        widths: Channels per level; every level but the last halves the grid.
        attention: Whether the coarsest level attends.
        res_blocks: Residual blocks per level.
        condition: Class name, arguments and imports of the plan's network whose encoder conditions, or ``None``.
    """

    channels: int
    stem_stride: tuple[int, ...]
    widths: tuple[int, ...]
    attention: bool = True
    res_blocks: int = 1
    condition: tuple[str, dict[str, Any], tuple[str, ...]] | None = None

    @classmethod
    def of(
        cls, manager: ConfigurationManager, channels: int, width: int = 0, levels: int = 0, conditioned: bool = False
    ) -> DiffusionRecipe:
        """The recipe that suits a plan.

        As published, the network works at half the plan's resolution and widens its levels as 1, 2, 2. Half the
        resolution is reached by folding 2 voxels per axis into channels, so that no voxel is lost.

        Args:
            manager: Configuration of the plan.
            channels: Number of channels of the image.
            width: Channels of the first level; 0: twice those of the plan's first stage.
            levels: Number of levels; 0: three, or two where the patch allows no more.
            conditioned: Whether to build the conditioning encoder.

        Raises:
            ValueError: The patch is too small for the depth.
        """
        stem, count = _stem_and_levels(manager, levels)
        base = width or 2 * int(manager.network_arch_init_kwargs["features_per_stage"][0])
        condition = None
        if conditioned:
            plan = PlanRecipe.of(manager, channels)
            condition = plan.name, plan.arguments, plan.requires_import
        return cls(channels, stem, tuple(base * m for m in MULTIPLIERS[:count]), condition=condition)

    def build(self) -> DiffusionNetwork:
        """The network, with fresh weights."""
        return DiffusionNetwork(self)

    def to_json(self) -> dict[str, Any]:
        """The recipe as a mapping that survives JSON."""
        content = asdict(self)
        return {
            "kind": "diffusion",
            **content,
            "stem_stride": list(self.stem_stride),
            "widths": list(self.widths),
            "condition": None if self.condition is None else list(self.condition),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> DiffusionRecipe:
        """The recipe back from :meth:`to_json`."""
        condition = content["condition"]
        if condition is not None:
            name, arguments, requires_import = condition
            condition = (name, arguments, tuple(requires_import))
        sizes = {k: tuple(content[k]) for k in ("stem_stride", "widths")}
        return cls(**{**content, **sizes, "condition": condition})


def _stem_and_levels(manager: ConfigurationManager, levels: int) -> tuple[tuple[int, ...], int]:
    """Stride of the stem per axis, and the number of levels; refuses patches that are too small."""
    spacing = [float(s) for s in manager.spacing]
    patch = [int(p) for p in manager.patch_size]
    # Thick slices, and axes too short for two levels after folding, keep their resolution.
    stem = tuple(
        1 if s > ANISOTROPY * min(spacing) or p < 4 * SMALLEST_GRID else 2 for s, p in zip(spacing, patch, strict=True)
    )
    possible = max_levels(patch, stem)
    wanted = levels or min(3, max(2, possible))
    if not 2 <= wanted <= min(possible, len(MULTIPLIERS)):
        grid = " x ".join(map(str, patch))
        raise ValueError(
            f"The patch of {grid} voxels is too small for a diffusion network of {wanted} levels: with a stem of "
            f"{' x '.join(map(str, stem))} its coarsest grid must keep {SMALLEST_GRID} voxels per axis, which allows "
            f"{possible} level(s); 2 to {len(MULTIPLIERS)} are possible in general. "
            + (
                f"Lower it: diffusion_levels={min(possible, len(MULTIPLIERS))}"
                if possible >= 2
                else "Plan with a larger patch (nnunet_uad small-plan --patch …)."
            )
        )
    return stem, wanted


def max_levels(patch_size: Sequence[int], stem_stride: Sequence[int]) -> int:
    """The most levels whose coarsest grid keeps :data:`SMALLEST_GRID` voxels on every axis."""
    cells = min(p // s for p, s in zip(patch_size, stem_stride, strict=True))
    return max(0, 1 + int(math.log2(max(cells / SMALLEST_GRID, 0.25))))


class DiffusionNetwork(nn.Module):
    """Predicts the clean image from a noisy one and its time step.

    Images of any size are accepted: they are padded to a multiple of the network's stride by repeating the border.

    Args:
        recipe: Sizes of the network.
    """

    def __init__(self, recipe: DiffusionRecipe) -> None:
        from monai.networks.nets import DiffusionModelUNet

        super().__init__()
        self.recipe = recipe
        self.axes = len(recipe.stem_stride)
        folded = recipe.channels * math.prod(recipe.stem_stride)
        levels = len(recipe.widths)
        groups = math.gcd(8, *recipe.widths)
        self.unet = DiffusionModelUNet(
            spatial_dims=self.axes,
            in_channels=folded,
            out_channels=folded,
            channels=recipe.widths,
            num_res_blocks=recipe.res_blocks,
            attention_levels=[recipe.attention and k == levels - 1 for k in range(levels)],
            norm_num_groups=groups,
            num_head_channels=recipe.widths[-1] // 2 if recipe.widths[-1] % 2 == 0 else recipe.widths[-1],
            use_flash_attention=False,
        )
        self.condition = None
        if recipe.condition is not None:
            # MONAI adds the embedding of a class to that of the time; ours is a vector that describes the image.
            self.condition = ConditionEncoder(recipe.condition, recipe.channels, 4 * recipe.widths[0])
            self.unet.num_class_embeds = 1
            self.unet.class_embedding = nn.Identity()

    def forward(self, noisy: torch.Tensor, time: torch.Tensor, image: torch.Tensor | None = None) -> torch.Tensor:
        """The clean image.

        Args:
            noisy: Noisy image (B, C, *spatial), z-score units.
            time: Time step per sample, integer (B,).
            image: Image (B, C, *spatial) that a conditioned network looks at besides.
        """
        size = noisy.shape[2:]
        padded = self._padded(noisy)
        labels = None
        if self.condition is not None:
            if image is None:
                raise ValueError("A conditioned diffusion network needs the image besides the noisy one.")
            labels = self.condition(image)
        output = self.unet(space_to_depth(padded, self.recipe.stem_stride), time, class_labels=labels)
        clean = depth_to_space(output, self.recipe.stem_stride)
        for axis, n in enumerate(size, start=2):
            clean = clean.narrow(axis, 0, n)
        return clean

    def _padded(self, image: torch.Tensor) -> torch.Tensor:
        factor = 2 ** (len(self.recipe.widths) - 1)
        missing = [-n % (s * factor) for n, s in zip(image.shape[2:], self.recipe.stem_stride, strict=True)]
        if not any(missing):
            return image
        return functional.pad(image, [x for m in reversed(missing) for x in (0, m)], mode="replicate")


class ConditionEncoder(nn.Module):
    """The plan's encoder, pooled to a vector that shifts the diffusion network's features (cDDPM).

    Behrendt et al., https://arxiv.org/abs/2312.04215, condition on a ResNet's features of the input image.

    Args:
        architecture: Class name, arguments, imports of the plan's network.
        channels: Number of channels of the image.
        width: Length of the vector.
    """

    def __init__(self, architecture: tuple[str, dict[str, Any], tuple[str, ...]], channels: int, width: int) -> None:
        super().__init__()
        name, arguments, requires_import = architecture
        network = get_network_from_plans(
            name, arguments, requires_import, channels, channels, allow_init=True, deep_supervision=False
        )
        self.encoder = network.encoder
        self.project = nn.Linear(self.encoder.output_channels[-1], width)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(B, C, *spatial) → (B, width)."""
        features = self.encoder(image)[-1]
        return self.project(features.flatten(2).mean(2))


def space_to_depth(image: torch.Tensor, stride: Sequence[int]) -> torch.Tensor:
    """Fold blocks of ``stride`` voxels into channels: (B, C, n·s, …) → (B, C·∏s, n, …)."""
    batch, channels, *size = image.shape
    split = [x for n, s in zip(size, stride, strict=True) for x in (n // s, s)]
    axes = len(size)
    order = [0, 1, *(3 + 2 * a for a in range(axes)), *(2 + 2 * a for a in range(axes))]
    folded = image.reshape(batch, channels, *split).permute(order)
    return folded.reshape(batch, channels * math.prod(stride), *(n // s for n, s in zip(size, stride, strict=True)))


def depth_to_space(image: torch.Tensor, stride: Sequence[int]) -> torch.Tensor:
    """The inverse of :func:`space_to_depth`: (B, C · strides, *spatial / strides) → (B, C, *spatial)."""
    batch, channels, *size = image.shape
    axes = len(size)
    split = image.reshape(batch, channels // math.prod(stride), *stride, *size)
    order = [0, 1, *(x for a in range(axes) for x in (2 + axes + a, 2 + a))]
    return split.permute(order).reshape(
        batch, channels // math.prod(stride), *(n * s for n, s in zip(size, stride, strict=True))
    )
