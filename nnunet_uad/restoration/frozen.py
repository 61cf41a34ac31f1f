"""A restorer as a frozen module, rebuilt from the description that its record and a model's plans carry."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from torch import nn

from nnunet_uad.networks.diffusion import DiffusionNetwork, DiffusionShape
from nnunet_uad.networks.discriminator import PatchwiseDiscriminator, UnrealnessMap
from nnunet_uad.networks.reconstruction import without_unused_heads
from nnunet_uad.networks.spatial_autoencoder import AutoencoderShape, SpatialAutoencoder
from nnunet_uad.restoration.diffusion import DiffusionProcess
from nnunet_uad.restoration.direct import DirectRestoration


class Restoration(Protocol):
    """How a network restores an image."""

    def draw_noise(self, image: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """Noise for :meth:`restore`."""

    def restore_randomly(self, network: nn.Module, image: torch.Tensor) -> torch.Tensor:
        """As in training: fresh noise, random time steps."""

    def restore(self, network: nn.Module, image: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """As at inference: given noise, averaged."""


class FrozenRestorer(nn.Module):
    """A network that restores images and never learns.

    In training mode every call draws fresh noise and time steps. In evaluation mode the noise is drawn once per image
    size from ``seed``, so that tiles, mirrored copies and repeated predictions see the same.

    Args:
        network: with or without weights yet.
        restoration: how it restores.
        seed: of the noise at inference.
    """

    def __init__(self, network: nn.Module, restoration: Restoration, seed: int) -> None:
        super().__init__()
        self.network = network.requires_grad_(False).eval()
        self.restoration = restoration
        self.seed = seed
        self._noise: dict[tuple, torch.Tensor] = {}

    def train(self, mode: bool = True) -> FrozenRestorer:
        """Only whether noise is fresh follows ``mode``: the network stays in evaluation mode."""
        super().train(mode)
        self.network.eval()
        return self

    @torch.compiler.disable
    @torch.no_grad()
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Pseudo-healthy image, float32, of the shape of ``image`` (B, C, *spatial)."""
        if self.training:
            return self.restoration.restore_randomly(self.network, image)
        return self.restoration.restore(self.network, image, self._fixed_noise(image))

    def _fixed_noise(self, image: torch.Tensor) -> torch.Tensor:
        """Noise for images of this size; drawn on the CPU, where a seed means the same on every machine."""
        key = (*image.shape[1:], image.device)
        if key not in self._noise:
            generator = torch.Generator().manual_seed(self.seed)
            drawn = self.restoration.draw_noise(torch.empty((1, *image.shape[1:])), generator)
            self._noise[key] = drawn.to(image.device)
        return self._noise[key]


def build_restorer(description: Mapping[str, Any], seed: int) -> FrozenRestorer:
    """The restorer of a description (:func:`describe_plan_network`, :func:`describe_diffusion`), without weights.

    Raises:
        ValueError: a kind that this version does not know.
    """
    try:
        make_restoration = _RESTORATIONS[description["restoration"]["kind"]]
        make_network = _NETWORKS[description["network"]["kind"]]
    except KeyError as error:
        raise ValueError(
            f"The restorer's description names {error}, which this version of nnunet_uad does not know. "
            "Update: pip install -U nnunet_uad"
        ) from error
    network = make_network(**{k: v for k, v in description["network"].items() if k != "kind"})
    restoration = make_restoration(**{k: v for k, v in description["restoration"].items() if k != "kind"})
    return FrozenRestorer(network, restoration, seed)


def describe_plan_network(
    name: str, arguments: Mapping[str, Any], requires_import: tuple[str, ...], channels: int
) -> dict[str, Any]:
    """Description of the plan's own network as a reconstructor."""
    return {
        "kind": "plan",
        "name": name,
        "arguments": dict(arguments),
        "requires_import": list(requires_import),
        "channels": channels,
    }


def describe_diffusion(shape: DiffusionShape) -> dict[str, Any]:
    """Description of a diffusion network."""
    return {
        "kind": "diffusion",
        "channels": shape.channels,
        "stem_stride": list(shape.stem_stride),
        "widths": list(shape.widths),
        "attention": shape.attention,
        "res_blocks": shape.res_blocks,
        "condition": None if shape.condition is None else list(shape.condition),
    }


def describe_autoencoder(shape: AutoencoderShape) -> dict[str, Any]:
    """Description of a spatial autoencoder."""
    return {"kind": "autoencoder", **dataclasses.asdict(shape), "requires_import": list(shape.requires_import)}


def describe_discriminator(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Description of a patch-wise discriminator, of whose map a channel is made."""
    return {"kind": "discriminator", **arguments}


def weights_hash(tensors: Mapping[str, torch.Tensor], description: Mapping[str, Any]) -> str:
    """SHA-256 of weights and description: two restorers with the same hash restore alike."""
    digest = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _diffusion_network(
    channels: int,
    stem_stride: list[int],
    widths: list[int],
    attention: bool,
    res_blocks: int,
    condition: list | None,
) -> nn.Module:
    shape = DiffusionShape(channels, tuple(stem_stride), tuple(widths), attention, res_blocks)
    if condition is not None:
        name, arguments, requires_import = condition
        shape = dataclasses.replace(shape, condition=(name, arguments, tuple(requires_import)))
    return DiffusionNetwork(shape)


def _plan_network(name: str, arguments: dict[str, Any], requires_import: list[str], channels: int) -> nn.Module:
    network = get_network_from_plans(
        name, arguments, requires_import, channels, channels, allow_init=True, deep_supervision=False
    )
    return without_unused_heads(network)


def _autoencoder(**shape: Any) -> nn.Module:
    return SpatialAutoencoder(AutoencoderShape(**{**shape, "requires_import": tuple(shape["requires_import"])}))


def _discriminator(**arguments: Any) -> nn.Module:
    return UnrealnessMap(PatchwiseDiscriminator(**arguments))


_RESTORATIONS: dict[str, Callable[..., Restoration]] = {
    DiffusionProcess.kind: DiffusionProcess,
    DirectRestoration.kind: DirectRestoration,
}
_NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "autoencoder": _autoencoder,
    "diffusion": _diffusion_network,
    "discriminator": _discriminator,
    "plan": _plan_network,
}
