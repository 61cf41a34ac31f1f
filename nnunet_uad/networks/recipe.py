"""Recipes of networks: what is needed to build one again, as JSON in records and plans.

Every network that a frozen restorer may consist of has a recipe: :class:`PlanRecipe` here, the others beside their
networks. ``build()`` makes the network with fresh weights, ``to_json()`` and ``from_json()`` carry it through files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager
from torch import nn

from nnunet_uad.networks.from_plans import network_from_plans


class Recipe(Protocol):
    """What is needed to build a network again."""

    def build(self) -> nn.Module:
        """The network, with fresh weights."""

    def to_json(self) -> dict[str, Any]:
        """The recipe as a mapping that survives JSON, with its ``kind``."""


@dataclass(frozen=True)
class PlanRecipe:
    """The plan's own network, an image in and an image out, without deep supervision.

    Every weight but the last 1x1 convolutions is one that the segmentation network of the same plan has, too.

    Attributes:
        name: Class of the plan's network.
        arguments: Arguments of that class.
        requires_import: Arguments that name a class.
        channels: Number of channels of the image.
        outputs: Number of output channels; as many as the image has if omitted.
    """

    name: str
    arguments: dict[str, Any]
    requires_import: tuple[str, ...]
    channels: int
    outputs: int | None = None

    @classmethod
    def of(cls, manager: ConfigurationManager, channels: int, outputs: int | None = None) -> PlanRecipe:
        """The recipe of a plan's network.

        Args:
            manager: Configuration of the plan.
            channels: Number of channels of the image.
            outputs: Number of output channels; as many as the image has if omitted.
        """
        return cls(
            manager.network_arch_class_name,
            dict(manager.network_arch_init_kwargs),
            tuple(manager.network_arch_init_kwargs_req_import),
            channels,
            outputs,
        )

    def build(self) -> nn.Module:
        """The network: (B, channels, *spatial) → (B, outputs, *spatial)."""
        network = network_from_plans(
            self.name,
            self.arguments,
            self.requires_import,
            self.channels,
            self.outputs or self.channels,
            deep_supervision=False,
        )
        return without_unused_heads(network)

    def to_json(self) -> dict[str, Any]:
        """The recipe as a mapping that survives JSON."""
        content = {
            "kind": "plan",
            "name": self.name,
            "arguments": self.arguments,
            "requires_import": list(self.requires_import),
            "channels": self.channels,
        }
        return content if self.outputs is None else {**content, "outputs": self.outputs}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> PlanRecipe:
        """The recipe back from :meth:`to_json`."""
        return cls(**{**content, "requires_import": tuple(content["requires_import"])})


def without_unused_heads(network: nn.Module) -> nn.Module:
    """Freeze the heads of deep supervision, which nnU-Net builds even where it is off.

    Unused but trainable, they stop DDP.
    """
    for head in network.decoder.seg_layers[:-1]:
        head.requires_grad_(False)
    return network
