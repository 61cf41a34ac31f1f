"""Restoration by a single call: a denoising autoencoder, an autoencoder."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class DirectRestoration:
    """The network's output for the image itself; nothing is drawn."""

    kind = "direct"

    def describe(self) -> dict[str, Any]:
        """No arguments."""
        return {}

    def draw_noise(self, image: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """Nothing is drawn: no channels."""
        return image[:, :0]

    def restore_randomly(self, network: nn.Module, image: torch.Tensor) -> torch.Tensor:
        """The network's output."""
        return network(image).float()

    def restore(self, network: nn.Module, image: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """The network's output."""
        return network(image).float()
