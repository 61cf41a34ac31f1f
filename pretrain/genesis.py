"""Models Genesis on the plan's own U-Net: undo changes of intensity, texture and context."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from nnunet_uad.common.bounds import Share, ShareRange
from nnunet_uad.pretrain.base import nnUNetPretrainer
from nnunet_uad.pretrain.pretrain_settings import PretrainSettings
from nnunet_uad.pretrain.target import TargetSection
from nnunet_uad.pretrain.task import ReconstructionTask

#: Points of a curve between which it is linear.
_CURVE_POINTS = 128
#: Windows that are painted in a patch at most; each after the first is painted with this probability.
_MOST_WINDOWS, _ANOTHER_WINDOW = 5, 0.95
#: Random numbers that decide on the order within a shuffled window.
_KEYS = 2**20


@dataclass(frozen=True)
class GenesisSettings(TargetSection, PretrainSettings):
    """Settings of Models Genesis; the defaults are the published ones.

    Attributes:
        nonlinear_probability: Probability that a patch's intensities pass through a random monotonic curve.
        shuffle_probability: Probability that voxels are shuffled within small windows.
        paint_probability: Probability that a part of the patch is painted over with noise.
        outpaint_share: Share of the painted patches in which all but a few windows is painted (out-painting); in the
            others the windows are (in-painting).
        shuffle_window: Range of a shuffled window's edge, share of the patch's edge.
        inpaint_window: Range of a painted window's edge, share of the patch's edge.
        outpaint_window: Range of a spared window's edge, share of the patch's edge.
    """

    nonlinear_probability: Share = 0.9
    shuffle_probability: Share = 0.5
    paint_probability: Share = 0.9
    outpaint_share: Share = 0.8
    shuffle_window: ShareRange = (0.02, 0.1)
    inpaint_window: ShareRange = (1 / 6, 1 / 3)
    outpaint_window: ShareRange = (3 / 7, 4 / 7)


class GenesisTask(ReconstructionTask):
    """Reconstruct patches from what is left after shuffling, a change of intensity and painting."""

    method = "Genesis"
    settings: GenesisSettings

    def corrupt(self, clean: torch.Tensor, foreground: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Change each patch of (B, C, *spatial) in its own way inside the foreground, which the loss counts."""
        chosen, low, high = self.settings, *intensity_range(clean, foreground)
        shuffled = shuffle_windows(clean, foreground, chosen.shuffle_window)
        corrupted = _where(clean, chosen.shuffle_probability, shuffled, clean)
        curved = low + (high - low) * random_curve((corrupted - low) / (high - low))
        corrupted = _where(clean, chosen.nonlinear_probability, curved, corrupted)
        noise = low + (high - low) * torch.rand_like(clean)
        inside = torch.where(random_windows(clean, chosen.inpaint_window), noise, corrupted)
        outside = torch.where(random_windows(clean, chosen.outpaint_window), corrupted, noise)
        painted = _where(clean, chosen.outpaint_share, outside, inside)
        corrupted = _where(clean, chosen.paint_probability, painted, corrupted)
        return torch.where(foreground, corrupted, clean), foreground


class nnUNetPretrainerGenesis(nnUNetPretrainer[GenesisSettings, GenesisTask]):
    """Models Genesis: non-linear intensity, local pixel shuffling, in- and out-painting, on the plan's own network.

    Zhou et al., Medical Image Analysis 67, 2021, https://doi.org/10.1016/j.media.2020.101840,
    https://arxiv.org/abs/2004.07882.
    """

    settings_class = GenesisSettings
    task_class = GenesisTask


def intensity_range(image: torch.Tensor, foreground: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Lowest and highest foreground value of every sample and channel, (B, C, 1, …); 0 and 1 without foreground.

    Args:
        image: Patches (B, C, *spatial), z-score units.
        foreground: Foreground mask, boolean (B, 1, *spatial).
    """
    axes = list(range(2, image.ndim))
    low = image.masked_fill(~foreground, math.inf).amin(axes, keepdim=True)
    high = image.masked_fill(~foreground, -math.inf).amax(axes, keepdim=True)
    # A constant channel, or no foreground at all, must not divide by 0.
    usable = high > low
    return torch.where(usable, low, 0.0), torch.where(usable, high, 1.0)


def random_curve(image: torch.Tensor) -> torch.Tensor:
    """Pass every sample and channel through a monotonic curve of its own, rising or falling (paper, section 3.2.1).

    The curve is a cubic Bézier from (0, 0) to (1, 1) with two random control points in the unit square, which is
    monotonic in both coordinates; half of the curves are turned upside down.

    Args:
        image: Values in [0, 1], (B, C, *spatial); others are clipped.

    Returns:
        Values in [0, 1] of the same shape.
    """
    curves, device = image.shape[:2].numel(), image.device
    t = torch.linspace(0, 1, _CURVE_POINTS, device=device)
    control = torch.rand((2, curves, 2, 1), device=device)
    points = 3 * (1 - t) ** 2 * t * control[:, :, 0] + 3 * (1 - t) * t**2 * control[:, :, 1] + t**3
    falling = torch.rand((curves, 1), device=device) < 0.5
    x, y = points[0].contiguous(), torch.where(falling, 1 - points[1], points[1])
    table = _resampled(x, y)
    values = image.reshape(curves, -1).float().clamp(0, 1) * (_CURVE_POINTS - 1)
    left = values.long().clamp(max=_CURVE_POINTS - 2)
    below, above = table.gather(1, left), table.gather(1, left + 1)
    return (below + (values - left) * (above - below)).reshape(image.shape)


def _resampled(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Values of piecewise linear curves (N, points) on a regular grid of [0, 1]; x rises from 0 to 1 in every row."""
    grid = torch.linspace(0, 1, _CURVE_POINTS, device=x.device).expand_as(x).contiguous()
    right = torch.searchsorted(x, grid).clamp(1, _CURVE_POINTS - 1)
    x0, x1, y0, y1 = (c.gather(1, right + k) for c, k in ((x, -1), (x, 0), (y, -1), (y, 0)))
    return y0 + ((grid - x0) / (x1 - x0).clamp(min=1e-6)).clamp(0, 1) * (y1 - y0)


def shuffle_windows(image: torch.Tensor, foreground: torch.Tensor, share: Sequence[float]) -> torch.Tensor:
    """Shuffle the foreground voxels within windows, the same way in all channels (paper, section 3.2.2).

    Published with a thousand windows one after the other. Here the patch is cut into windows of one size per batch on a
    grid with a random offset; half of the windows of every sample are shuffled, all at once: voxels are sorted by their
    window and a random number within it.

    Args:
        image: Patches (B, C, *spatial).
        foreground: Foreground mask, boolean (B, 1, *spatial); other voxels stay where they are.
        share: Range of a window's edge per axis, share of the patch's edge.
    """
    batch, channels, *size = image.shape
    window = torch.zeros((1, *size), device=image.device, dtype=torch.long)
    count = 1
    for axis, n in enumerate(size, start=1):
        edge = ((share[0] + (share[1] - share[0]) * torch.rand(1, device=image.device)) * n).round().clamp(min=2)
        place = torch.arange(n, device=image.device) + torch.rand(1, device=image.device) * edge
        index = (place / edge).long().reshape([-1 if a == axis else 1 for a in range(window.ndim)])
        # No edge is below two voxels: there are at most n / 2 + 2 windows along an axis.
        window = window + index * count
        count *= n // 2 + 2
    window = window.expand(batch, *size).reshape(batch, -1)
    shuffled = torch.rand((batch, count), device=image.device).gather(1, window) < 0.5
    movable = shuffled & foreground.reshape(batch, -1)
    voxels = torch.arange(window.shape[1], device=image.device)
    # What must not move is a window of its own.
    group = torch.where(movable, window, count + voxels)
    by_place = group.argsort(dim=1, stable=True)
    by_chance = (group * _KEYS + torch.randint(_KEYS, group.shape, device=image.device)).argsort(dim=1)
    source = torch.empty_like(by_place).scatter_(1, by_place, by_chance)
    flat = image.reshape(batch, channels, -1)
    return flat.gather(2, source[:, None].expand(-1, channels, -1)).reshape(image.shape)


def random_windows(image: torch.Tensor, share: Sequence[float]) -> torch.Tensor:
    """One to five boxes per sample, which may overlap: boolean (B, 1, *spatial).

    Args:
        image: Patches (B, C, *spatial), of which shape and device count.
        share: Range of a box's edge per axis, share of the patch's edge.
    """
    batch, _, *size = image.shape
    used = (torch.rand((batch, _MOST_WINDOWS), device=image.device) < _ANOTHER_WINDOW).float()
    used[:, 0] = 1
    boxes = used.cumprod(1).bool().reshape(batch, _MOST_WINDOWS, *(1 for _ in size))
    for axis, n in enumerate(size, start=2):
        drawn = torch.rand((2, batch, _MOST_WINDOWS, 1), device=image.device)
        edge = ((share[0] + (share[1] - share[0]) * drawn[0]) * n).round().clamp(min=1)
        start = (drawn[1] * (n - edge + 1)).floor()
        place = torch.arange(n, device=image.device)
        line = (place >= start) & (place < start + edge)
        boxes = boxes & line.reshape(batch, _MOST_WINDOWS, *(n if a == axis else 1 for a in range(2, image.ndim)))
    return boxes.any(1, keepdim=True)


def _where(like: torch.Tensor, probability: float, chosen: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Per sample ``chosen`` with that probability, else ``other``."""
    drawn = torch.rand((len(like),) + (1,) * (like.ndim - 1), device=like.device) < probability
    return torch.where(drawn, chosen, other)
