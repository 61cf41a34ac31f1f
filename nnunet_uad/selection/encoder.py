"""What a pretrained encoder sees in the slices of a volume: moments of its deepest features over the foreground."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from nnunetv2.inference.sliding_window_prediction import compute_steps_for_sliding_window
from torch import nn
from torch.nn import functional

from nnunet_uad.common.precision import network_precision
from nnunet_uad.inference.restorer import Restorer

#: Least share of a feature's cell that must be foreground for its value to count as one that was seen.
_SEEN = 0.5


@dataclass
class Moments:
    """Sums over the foreground of slices, which add up to those of volumes.

    Attributes:
        weight: Foreground of each slice, (slices,), cells of the feature map.
        first: Sums of the features, (slices, features).
        second: Sums of their squares, (slices, features).
        peak: Highest value of each feature, (slices, features); −inf where no cell was seen.
    """

    weight: np.ndarray
    first: np.ndarray
    second: np.ndarray
    peak: np.ndarray

    @classmethod
    def nothing(cls, slices: int, features: int) -> Moments:
        """Moments of nothing yet.

        Args:
            slices: Number of slices.
            features: Number of features.
        """
        sums = np.zeros((2, slices, features))
        return cls(np.zeros(slices), sums[0], sums[1], np.full((slices, features), -np.inf))

    def descriptors(self) -> np.ndarray:
        """Mean, standard deviation and peak of every feature in every slice: (slices, 3 · features), NaN if empty."""
        return _descriptors(self.weight, self.first, self.second, self.peak)

    def of_volume(self) -> np.ndarray:
        """The same of the whole volume: (3 · features,), NaN of a volume without foreground."""
        sums = (self.weight.sum(keepdims=True), self.first.sum(0, keepdims=True), self.second.sum(0, keepdims=True))
        return _descriptors(*sums, self.peak.max(0, keepdims=True))[0]


def _descriptors(weight: np.ndarray, first: np.ndarray, second: np.ndarray, peak: np.ndarray) -> np.ndarray:
    filled = np.where(weight > 0, weight, np.nan)[:, None]
    mean = first / filled
    spread = np.sqrt(np.maximum(second / filled - mean**2, 0))
    # Of a sliver of foreground no cell was seen: its mean stands for its peak.
    return np.concatenate([mean, spread, np.where(np.isfinite(peak), peak, mean)], axis=1)


def encoder_of(network: nn.Module) -> nn.Module:
    """The encoder of a pretrained network, which gives a feature map per stage.

    Args:
        network: Network of a restorer.

    Raises:
        ValueError: The method has no encoder that sees the image, as a diffusion model.
    """
    encoder = getattr(network, "encoder", None) or getattr(getattr(network, "autoencoder", None), "encoder", None)
    if encoder is None:
        raise ValueError(
            "The pretrainer has no encoder that sees the whole image, so scans cannot be compared by its features. Use "
            "another: nnUNetPretrainerDAE, nnUNetPretrainerMAE, nnUNetPretrainerAE."
        )
    return encoder


def volume_moments(restorer: Restorer, image: np.ndarray, foreground: np.ndarray) -> Moments:
    """Moments of the deepest features of all networks, side by side, over the slices of a preprocessed volume.

    Args:
        restorer: Trained pretrainer.
        image: Preprocessed image (C, z, y, x).
        foreground: Boolean mask (z, y, x) of what is not background.

    Raises:
        ValueError: The method has no encoder that sees the image.
    """
    parts = [_network_moments(restorer, encoder_of(network), image, foreground) for network in restorer.networks]
    joined = (np.concatenate([getattr(p, name) for p in parts], axis=1) for name in ("first", "second", "peak"))
    return Moments(parts[0].weight, *joined)


@torch.inference_mode()
def _network_moments(restorer: Restorer, encoder: nn.Module, image: np.ndarray, foreground: np.ndarray) -> Moments:
    configuration = restorer.model.configuration
    padded, mask = _padded(image, foreground, tuple(configuration.patch_size))
    found: Moments | None = None
    tiles = list(_tiles(mask, tuple(configuration.patch_size)))
    for start in range(0, len(tiles), configuration.batch_size):
        chosen = tiles[start : start + configuration.batch_size]
        batch = torch.stack([padded[(slice(None), *where)] for where in chosen])
        if restorer.model.axes == 2:
            batch = batch[:, :, 0]
        with network_precision(restorer.amp, restorer.device):
            features = _deepest(encoder(batch.to(restorer.device))).float().cpu()
        if restorer.model.axes == 2:
            features = features[:, :, None]
        if found is None:
            found = Moments.nothing(len(mask), features.shape[1])
        for where, one in zip(chosen, features, strict=True):
            _add(found, where[0], one, mask[where])
    if found is None:
        raise ValueError("the image has no foreground: every voxel is background.")
    return Moments(*(a[: len(foreground)] for a in (found.weight, found.first, found.second, found.peak)))


def _deepest(features: torch.Tensor | list[torch.Tensor]) -> torch.Tensor:
    return features if isinstance(features, torch.Tensor) else features[-1]


def _add(found: Moments, slices: slice, features: torch.Tensor, mask: torch.Tensor) -> None:
    """Add a tile's features (F, *cells) to the slices that it covers; a slice sees the cells that it lies in."""
    depth, cells = mask.shape[0], features.shape[1:]
    plane = functional.adaptive_avg_pool2d(mask[:, None].float(), cells[1:])[:, 0].flatten(1).double()
    which = torch.arange(depth) * cells[0] // depth
    seen = features.flatten(2)[:, which].permute(1, 0, 2).double()
    found.weight[slices] += plane.sum(1).numpy()
    found.first[slices] += (seen * plane[:, None]).sum(2).numpy()
    found.second[slices] += (seen**2 * plane[:, None]).sum(2).numpy()
    highest = seen.masked_fill((plane < _SEEN)[:, None], -torch.inf).amax(2).numpy()
    found.peak[slices] = np.maximum(found.peak[slices], highest)


def _padded(image: np.ndarray, foreground: np.ndarray, tile: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Image (C, z, y, x) and mask, background added behind until a tile fits."""
    wanted = (1,) * (3 - len(tile)) + tile
    missing = [(0, max(0, w - n)) for w, n in zip(wanted, foreground.shape, strict=True)]
    padded = np.pad(image, [(0, 0), *missing])
    return torch.from_numpy(padded), torch.from_numpy(np.pad(foreground, missing))


def _tiles(mask: torch.Tensor, tile: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Tiles side by side that hold foreground; a network of slices sees one slice at a time."""
    whole = (1,) * (3 - len(tile)) + tile
    steps = compute_steps_for_sliding_window(tuple(mask.shape[3 - len(tile) :]), tile, 1.0)
    if len(tile) == 2:
        steps = [list(range(mask.shape[0])), *steps]
    for corner in itertools.product(*steps):
        where = tuple(slice(c, c + n) for c, n in zip(corner, whole, strict=True))
        if mask[where].any():
            yield where
