"""A network that restores the image and says in one more channel where it had to."""

from __future__ import annotations

import torch
from torch import nn

from nnunet_uad.restoration.base import Restoration


class WithDetection(Restoration):
    """The last channel of the output is a logit, the others are the image without lesions; one call gives both.

    DRAEM (Zavrtanik et al., ICCV 2021, https://arxiv.org/abs/2108.07610) has a second network for the detection, which
    sees image and reconstruction.
    """

    kind = "with_detection"
    detects = True
    default_source = "sum"

    def reconstruct(self, network: nn.Module, image: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
        """The image without lesions, (B, C, *spatial)."""
        return network(image)[:, :-1].float()

    def detect(self, network: nn.Module, image: torch.Tensor) -> torch.Tensor:
        """Probability of a lesion, (B, 1, *spatial)."""
        return network(image)[:, -1:].float().sigmoid()

    def reconstruct_and_detect(self, network: nn.Module, image: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
        """Both, (B, C + 1, *spatial)."""
        output = network(image).float()
        return torch.cat([output[:, :-1], output[:, -1:].sigmoid()], dim=1)
