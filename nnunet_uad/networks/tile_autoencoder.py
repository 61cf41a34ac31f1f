"""Tile-wise autoencoder (Chen, https://arxiv.org/abs/2108.03823) from the parts of the plan's network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from nnunet_uad.networks.recipe import PlanRecipe
from nnunet_uad.networks.tiles import cut_tiles, join_tiles


@dataclass(frozen=True)
class TileRecipe:
    """Recipe of a tile-wise autoencoder.

    Attributes:
        plan: Recipe of the plan's network, whose encoder and decoder are taken.
        grid: Tiles per axis.
    """

    plan: PlanRecipe
    grid: tuple[int, ...]

    def build(self) -> TileAutoencoder:
        """The network, with fresh weights."""
        return TileAutoencoder(self.plan.build(), self.grid)

    def to_json(self) -> dict[str, Any]:
        """The recipe as a mapping that survives JSON."""
        return {"kind": "tiles", "plan": self.plan.to_json(), "grid": list(self.grid)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> TileRecipe:
        """The recipe back from :meth:`to_json`."""
        plan = {k: v for k, v in content["plan"].items() if k != "kind"}
        return cls(PlanRecipe.from_json(plan), tuple(content["grid"]))


class TileAutoencoder(nn.Module):
    """The plan's encoder sees every tile on its own, the plan's decoder the stitched features of the whole image.

    The skip connections carry zeros: what a decoder could copy from the image's resolution would make the task
    trivial. The weights that read them stay as they were initialised until fine-tuning feeds them.

    Args:
        network: Network of the plan, with as many outputs as inputs.
        grid: Tiles per axis.
    """

    def __init__(self, network: nn.Module, grid: Sequence[int]) -> None:
        super().__init__()
        self.encoder = network.encoder
        self.decoder = network.decoder
        self.grid = tuple(grid)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Reconstruction (B, C, *spatial) of an image whose sizes are multiples of grid times total stride."""
        features = self.encoder(cut_tiles(image, self.grid))
        whole = join_tiles(features[-1], self.grid)
        return decode_without_skips(self.decoder, whole)


def decode_without_skips(decoder: nn.Module, deepest: torch.Tensor) -> torch.Tensor:
    """What a U-Net's decoder returns for the deepest feature map and zeros as skip connections.

    The convolutions over zeros are left out, which saves a third of the decoder's work.

    Args:
        decoder: Decoder of the plan's network, without deep supervision.
        deepest: Deepest features (B, F, *spatial).
    """
    features = deepest
    for upsample, stage in zip(decoder.transpconvs, decoder.stages, strict=True):
        features = upsample(features)
        weight = stage.convs[0].conv.weight[:, : features.shape[1]]
        # The stage holds this convolution under two names. Tied, both would be swapped, and put back in an order that
        # leaves the slice in the place of the weight.
        features = torch.func.functional_call(stage, {"convs.0.conv.weight": weight}, (features,), tie_weights=False)
    return decoder.seg_layers[-1](features)
