"""Images cut into a grid of tiles, and feature maps put together again."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

#: Tiles per axis that :func:`choose_grid` tries, the first that fits is taken.
_WANTED = (4, 3, 2, 5, 6, 7, 8)
#: A tile must keep so many positions per axis in the deepest feature map; one alone has no neighbour to see.
_LEAST_POSITIONS = 2


def choose_grid(patch_size: Sequence[int], total_stride: Sequence[int]) -> tuple[int, ...]:
    """Tiles per axis for a patch: four if they can be, else three or two, else what fits, else one.

    A tile is a multiple of the total stride on every axis and keeps two positions of the deepest feature map.

    Args:
        patch_size: Voxels per axis.
        total_stride: Product of the network's strides per axis.

    Example:
        >>> choose_grid((96, 96), (16, 16))
        (3, 3)
    """
    return tuple(
        next((n for n in _WANTED if _fits(size, stride, n) and size // n >= _LEAST_POSITIONS * stride), 1)
        for size, stride in zip(patch_size, total_stride, strict=True)
    )


def check_grid(grid: Sequence[int], patch_size: Sequence[int], total_stride: Sequence[int]) -> None:
    """Refuse a grid that does not divide the patch into tiles of whole strides.

    Args:
        grid: Number of tiles per axis.
        patch_size: Voxels per axis.
        total_stride: Product of the network's strides per axis.

    Raises:
        ValueError: The grid does not fit; names the numbers of tiles that are possible on the axis.
    """
    if len(grid) != len(patch_size):
        raise ValueError(
            f"tile_grid expects {len(patch_size)} numbers of tiles, one per axis of the patch "
            f"({_by(patch_size)} voxels), found {_by(grid)}."
        )
    for axis, (count, size, stride) in enumerate(zip(grid, patch_size, total_stride, strict=True)):
        if count < 1 or not _fits(size, stride, count):
            possible = [n for n in range(1, size // stride + 1) if _fits(size, stride, n)]
            raise ValueError(
                f"A patch of {_by(patch_size)} voxels cannot be cut into {_by(grid)} tiles: on axis {axis} tiles must "
                f"divide {size} and be multiples of the network's total stride {stride}. Possible numbers of tiles "
                f"there: {', '.join(map(str, possible)) or 'none; plan another patch (nnunet_uad small-plan --patch)'}."
            )
    if math.prod(grid) == 1:
        raise ValueError(
            f"A single tile of {_by(patch_size)} voxels is the whole image: nothing would be tile-wise. Plan with a "
            f"larger patch (nnunet_uad small-plan --patch) or fewer stages (--features)."
        )


def cut_tiles(image: torch.Tensor, grid: Sequence[int]) -> torch.Tensor:
    """Fold the tiles of an image into its batch: (B, C, *spatial) → (B · number of tiles, C, *tile).

    Args:
        image: Image (B, C, *spatial) whose sizes are multiples of the grid.
        grid: Number of tiles per axis.

    Example:
        >>> cut_tiles(torch.zeros(2, 1, 32, 48), (2, 3)).shape
        torch.Size([12, 1, 16, 16])
    """
    batch, channels, *size = image.shape
    axes = len(grid)
    split = [n for count, extent in zip(grid, size, strict=True) for n in (count, extent // count)]
    tiles = image.reshape(batch, channels, *split)
    counts, extents = range(2, 2 + 2 * axes, 2), range(3, 3 + 2 * axes, 2)
    tiles = tiles.permute(0, *counts, 1, *extents)
    return tiles.reshape(batch * math.prod(grid), channels, *(e // n for n, e in zip(grid, size, strict=True)))


def join_tiles(tiles: torch.Tensor, grid: Sequence[int]) -> torch.Tensor:
    """Put tiles, or their feature maps, where they were cut: the inverse of :func:`cut_tiles`.

    Args:
        tiles: Tiles (B · number of tiles, C, *tile).
        grid: Number of tiles per axis.

    Returns:
        Image (B, C, *spatial).
    """
    count, channels, *tile = tiles.shape
    axes = len(grid)
    image = tiles.reshape(count // math.prod(grid), *grid, channels, *tile)
    order = [n for axis in range(axes) for n in (1 + axis, 2 + axes + axis)]
    image = image.permute(0, 1 + axes, *order)
    return image.reshape(-1, channels, *(n * e for n, e in zip(grid, tile, strict=True)))


def _fits(size: int, stride: int, count: int) -> bool:
    return size % count == 0 and (size // count) % stride == 0


def _by(numbers: Sequence[int]) -> str:
    return " x ".join(map(str, numbers))
