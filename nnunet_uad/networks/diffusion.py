"""The diffusion network: MONAI's U-Net with a time embedding, sized from the plan."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager
from torch import nn
from torch.nn import functional

from nnunet_uad.networks.from_plans import network_from_plans
from nnunet_uad.networks.recipe import PlanRecipe

#: Channels per level as multiples of the width (Behrendt et al., MIDL 2024: 1, 2, 2).
MULTIPLIERS = (1, 2, 2, 2)
#: The coarsest grid must keep so many voxels per axis: below that, zero padding outweighs the image.
SMALLEST_GRID = 3
#: Axes whose spacing exceeds the finest by this factor are not halved in the stem (nnU-Net pools them late, too).
ANISOTROPY = 2.0
#: Voxels of the coarsest grid above which a network, unless told how deep to be, gets more levels, or no attention: its
#: time grows with their square.
MOST_TOKENS = 10_000


@dataclass(frozen=True)
class DiffusionRecipe:
    """Recipe of a diffusion network.

    Attributes:
        channels: Number of channels of the image, in and out.
        stem_stride: Voxels per axis that are folded into channels before the first convolution.
        widths: Channels per level; every level but the last halves the grid.
        strides: Halving (2) or not (1) per axis, for every level but the last; ``None`` where all axes are halved.
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
    strides: tuple[tuple[int, ...], ...] | None = None

    @classmethod
    def of(
        cls, manager: ConfigurationManager, channels: int, width: int = 0, levels: int = 0, conditioned: bool = False
    ) -> DiffusionRecipe:
        """The recipe that suits a plan.

        As published, the network works at half the plan's resolution and widens its levels as 1, 2, 2. Half the
        resolution is reached by folding 2 voxels per axis into channels, so that no voxel is lost. Where the coarsest
        grid of three levels still has more than :data:`MOST_TOKENS` voxels, the network gets a fourth one, and no
        attention if that is not enough; a chosen number of levels keeps its attention.

        Args:
            manager: Configuration of the plan.
            channels: Number of channels of the image.
            width: Channels of the first level; 0: twice those of the plan's first stage.
            levels: Number of levels; 0: three, two where the patch allows no more, four where it is very large.
            conditioned: Whether to build the conditioning encoder.

        Raises:
            ValueError: The patch is too small for the depth.
        """
        patch = [int(p) for p in manager.patch_size]
        stem = _stem([float(s) for s in manager.spacing], patch)
        count = _levels(patch, stem, levels)
        strides = _strides(patch, stem, count)
        attention = bool(levels) or _tokens(patch, stem, strides) <= MOST_TOKENS
        base = width or 2 * int(manager.network_arch_init_kwargs["features_per_stage"][0])
        condition = None
        if conditioned:
            plan = PlanRecipe.of(manager, channels)
            condition = plan.name, plan.arguments, plan.requires_import
        even = all(step == 2 for level in strides for step in level)
        widths = tuple(base * m for m in MULTIPLIERS[:count])
        return cls(channels, stem, widths, attention, condition=condition, strides=None if even else strides)

    def build(self) -> DiffusionNetwork:
        """The network, with fresh weights."""
        return DiffusionNetwork(self)

    def to_json(self) -> dict[str, Any]:
        """The recipe as a mapping that survives JSON."""
        content = asdict(self)
        if self.strides is None:
            # Left out: descriptions from before there were strides, and their hashes, stay what they are.
            del content["strides"]
        else:
            content["strides"] = [list(level) for level in self.strides]
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
        strides = content.get("strides")
        if strides is not None:
            strides = tuple(tuple(level) for level in strides)
        return cls(**{**content, **sizes, "condition": condition, "strides": strides})


def _stem(spacing: Sequence[float], patch: Sequence[int]) -> tuple[int, ...]:
    """Stride of the stem: thick slices, and axes too short for two levels after folding, keep their resolution."""
    return tuple(
        1 if s > ANISOTROPY * min(spacing) or p < 4 * SMALLEST_GRID else 2 for s, p in zip(spacing, patch, strict=True)
    )


def _levels(patch: Sequence[int], stem: Sequence[int], wanted: int) -> int:
    """Number of levels; refuses patches that are too small."""
    even, possible = max_levels(patch, stem), max_levels([max(p // s for p, s in zip(patch, stem, strict=True))], [1])
    possible = min(possible, len(MULTIPLIERS))
    levels = wanted or min(3, max(2, even))
    if not wanted:
        while levels < possible and _tokens(patch, stem, _strides(patch, stem, levels)) > MOST_TOKENS:
            levels += 1
    if not 2 <= levels <= possible:
        raise ValueError(
            f"The patch of {' x '.join(map(str, patch))} voxels is too small for a diffusion network of {levels} "
            f"levels: with a stem of {' x '.join(map(str, stem))} its longest axis must keep {SMALLEST_GRID} voxels on "
            f"the coarsest grid, which allows {possible} level(s); 2 to {len(MULTIPLIERS)} are possible in general. "
            + (
                f"Lower it: diffusion_levels={possible}"
                if possible >= 2
                else "Plan with a larger patch (nnunet_uad small-plan --patch …)."
            )
        )
    return levels


def max_levels(patch_size: Sequence[int], stem_stride: Sequence[int]) -> int:
    """The most levels whose coarsest grid keeps :data:`SMALLEST_GRID` voxels on every axis."""
    cells = min(p // s for p, s in zip(patch_size, stem_stride, strict=True))
    return max(0, 1 + int(math.log2(max(cells / SMALLEST_GRID, 0.25))))


def _strides(patch: Sequence[int], stem: Sequence[int], levels: int) -> tuple[tuple[int, ...], ...]:
    """Strides of all levels but the last: an axis is halved as long as it keeps enough voxels."""
    deepest = [max_levels([p], [s]) for p, s in zip(patch, stem, strict=True)]
    return tuple(tuple(2 if level + 1 < most else 1 for most in deepest) for level in range(levels - 1))


def _tokens(patch: Sequence[int], stem: Sequence[int], strides: Sequence[Sequence[int]]) -> int:
    """Voxels of the coarsest grid."""
    steps = [math.prod(axis) for axis in zip(stem, *strides, strict=True)]
    return math.prod(-(-p // step) for p, step in zip(patch, steps, strict=True))


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
            # Never holds the square of the grid, and scales before it multiplies: no overflow in half precision.
            use_flash_attention=True,
        )
        self._stride_by_axis()
        self.condition = None
        if recipe.condition is not None:
            # MONAI adds the embedding of a class to that of the time; ours is a vector that describes the image.
            self.condition = ConditionEncoder(recipe.condition, recipe.channels, 4 * recipe.widths[0])
            self.unet.num_class_embeds = 1
            self.unet.class_embedding = nn.Identity()

    def _stride_by_axis(self) -> None:
        """MONAI halves every axis; thin ones stop where the recipe says so. Weights do not depend on strides."""
        if self.recipe.strides is None:
            return
        deepest = len(self.recipe.strides) - 1
        for level, stride in enumerate(self.recipe.strides):
            self.unet.down_blocks[level].downsampler.op.conv.stride = stride
            upsampler = self.unet.up_blocks[deepest - level].upsampler
            (interpolation,) = [m for m in upsampler.modules() if isinstance(m, nn.Upsample)]
            interpolation.scale_factor = tuple(float(step) for step in stride)

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
        strides = self.recipe.strides or [(2,) * self.axes] * (len(self.recipe.widths) - 1)
        steps = [math.prod(axis) for axis in zip(self.recipe.stem_stride, *strides, strict=True)]
        missing = [-n % step for n, step in zip(image.shape[2:], steps, strict=True)]
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
        network = network_from_plans(name, arguments, requires_import, channels, channels, deep_supervision=False)
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
