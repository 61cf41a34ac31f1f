"""Exponential moving average of weights, as part of the network, so that it travels in every checkpoint."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn


class AveragedNetwork(nn.Module):
    """A network and the moving average of its weights: trained as the one, evaluated as the other.

    Being a submodule, the average is saved, resumed, moved and broadcast with the network. It has no gradients.

    Args:
        network: Network to be trained.
        decay: Share of the average that a step keeps, in [0, 1).
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__()
        self.online = network
        self.average = copy.deepcopy(network).requires_grad_(False).eval()
        self.decay = decay

    def train(self, mode: bool = True) -> AveragedNetwork:
        """As usual; the average is always in evaluation mode."""
        super().train(mode)
        self.average.eval()
        return self

    def forward(self, *arguments: Any) -> torch.Tensor:
        """Output of the trained network in training mode, of the average otherwise; of the network's own shape."""
        return self.online(*arguments) if self.training else self.average(*arguments)

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move the average towards the network, faster in the first steps: min(decay, (1 + step) / (10 + step)).

        Args:
            step: Number of optimiser steps before this one.
        """
        decay = min(self.decay, (1 + step) / (10 + step))
        averages = [p.data for p in self.average.parameters()]
        torch._foreach_lerp_(averages, [p.data for p in self.online.parameters()], 1 - decay)
        for kept, new in zip(self.average.buffers(), self.online.buffers(), strict=True):
            kept.copy_(new)
