"""A restorer as a frozen module, rebuilt from the description that its record and a model's plans carry."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from nnunet_uad.networks.diffusion import DiffusionRecipe
from nnunet_uad.networks.discriminator import DiscriminatorRecipe
from nnunet_uad.networks.recipe import PlanRecipe, Recipe
from nnunet_uad.networks.spatial_autoencoder import AutoencoderRecipe
from nnunet_uad.networks.tile_autoencoder import TileRecipe
from nnunet_uad.restoration.base import Restoration
from nnunet_uad.restoration.diffusion import DiffusionProcess
from nnunet_uad.restoration.hidden_blocks import HiddenBlocks
from nnunet_uad.restoration.noisy_copies import NoisyCopies
from nnunet_uad.restoration.with_detection import WithDetection

_RECIPES: dict[str, Callable[[Mapping[str, Any]], Recipe]] = {
    "autoencoder": AutoencoderRecipe.from_json,
    "diffusion": DiffusionRecipe.from_json,
    "discriminator": DiscriminatorRecipe.from_json,
    "plan": PlanRecipe.from_json,
    "tiles": TileRecipe.from_json,
}
_RESTORATIONS: dict[str, Callable[..., Restoration]] = {
    kind.kind: kind for kind in (Restoration, DiffusionProcess, HiddenBlocks, NoisyCopies, WithDetection)
}


class FrozenRestorer(nn.Module):
    """A network that reconstructs images and never learns.

    In training mode every call draws anew. In evaluation mode what is drawn is drawn once per image size from ``seed``,
    so that tiles, mirrored copies and repeated predictions see the same.

    Args:
        network: Network, with or without weights yet.
        restoration: Way in which it reconstructs.
        seed: Seed of what is drawn at inference.
    """

    def __init__(self, network: nn.Module, restoration: Restoration, seed: int) -> None:
        super().__init__()
        self.network = network.requires_grad_(False).eval()
        self.restoration = restoration
        self.seed = seed
        self._drawn: dict[tuple, torch.Tensor] = {}
        #: Whether what the last call in training mode returned is finite, per image (B,), on the device.
        self.finite: torch.Tensor | None = None

    def train(self, mode: bool = True) -> FrozenRestorer:
        """Only whether drawings are fresh follows ``mode``: the network stays in evaluation mode."""
        super().train(mode)
        self.network.eval()
        return self

    @torch.compiler.disable
    @torch.no_grad()
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Pseudo-healthy image, float32, of the shape of ``image`` (B, C, *spatial)."""
        if self.training:
            output = self.restoration.reconstruct_in_training(self.network, image)
            # Of the very step, its noise and precision; looked at when a loss turns out not to be finite.
            self.finite = torch.isfinite(output).flatten(1).all(1)
            return output
        drawn = self.restoration.inside(self._fixed_drawing(image), image)
        return self.restoration.reconstruct(self.network, image, drawn)

    def _fixed_drawing(self, image: torch.Tensor) -> torch.Tensor:
        """Drawing for images of this size; made on the CPU, where a seed means the same on every machine."""
        key = (*image.shape[1:], image.device)
        if key not in self._drawn:
            generator = torch.Generator().manual_seed(self.seed)
            drawn = self.restoration.draw(torch.empty((1, *image.shape[1:])), generator)
            self._drawn[key] = drawn.to(image.device)
        return self._drawn[key]


def describe_restorer(recipe: Recipe, restoration: Restoration) -> dict[str, Any]:
    """What :func:`build_restorer` needs, as a mapping that survives JSON.

    Args:
        recipe: Recipe of the network.
        restoration: Way in which it reconstructs.
    """
    return {"network": recipe.to_json(), "restoration": restoration.to_json()}


def can_rebuild(recipe: Recipe, restoration: Restoration) -> bool:
    """Whether :func:`build_restorer` knows network and restoration; those of other packages it may not.

    Args:
        recipe: Recipe of the network.
        restoration: Way in which it reconstructs.
    """
    return recipe.to_json()["kind"] in _RECIPES and _RESTORATIONS.get(restoration.kind) is type(restoration)


def build_restorer(description: Mapping[str, Any], seed: int) -> FrozenRestorer:
    """The restorer of a description, without weights.

    Args:
        description: Mapping of :func:`describe_restorer`.
        seed: Seed of what is drawn at inference.

    Raises:
        ValueError: A kind that this version does not know.
    """
    network, restoration = (dict(description[part]) for part in ("network", "restoration"))
    try:
        read_recipe = _RECIPES[network.pop("kind")]
        make_restoration = _RESTORATIONS[restoration.pop("kind")]
    except KeyError as error:
        raise ValueError(
            f"The restorer's description names {error}, which this version of nnunet_uad does not know. "
            "Update: pip install -U nnunet_uad"
        ) from error
    return FrozenRestorer(read_recipe(network).build(), make_restoration(**restoration), seed)


def weights_hash(tensors: Mapping[str, torch.Tensor], description: Mapping[str, Any]) -> str:
    """SHA-256 of weights and description: two restorers with the same hash reconstruct alike.

    Args:
        tensors: Weights of any shape, by name.
        description: Mapping of :func:`describe_restorer`.
    """
    digest = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
