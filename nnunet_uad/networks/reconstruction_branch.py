"""A segmentation network with a second decoder that reconstructs its input (Chen, https://arxiv.org/abs/2108.03823)."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import nn

from nnunet_uad.networks.tile_autoencoder import decode_without_skips

#: First part of the names of the branch's weights.
BRANCH = "branch"
#: Half of a smaller batch may be a single sample, for which PyTorch's 3D convolutions are several times slower on CPUs.
LARGE_BATCH = 4


class SegmentationAndError(NamedTuple):
    """What the network returns in training.

    Attributes:
        segmentation: Logits (B, classes, *spatial), a list of them with deep supervision.
        error: Mean squared error of the reconstruction, of every other sample in large batches, z-score units squared,
            a scalar.
    """

    segmentation: Any
    error: torch.Tensor


class ReconstructionBranchNetwork(nn.Module):
    """The plan's network, and in training a second decoder behind the same encoder.

    The branch reads the deepest features alone: given skip connections it could copy the image. Encoder and decoder
    carry the names that they have in the plan's network.

    Args:
        network: Segmentation network of the plan.
        reconstructor: Network of the plan with as many outputs as inputs, of which the decoder is taken.
    """

    def __init__(self, network: nn.Module, reconstructor: nn.Module) -> None:
        super().__init__()
        self.encoder = network.encoder
        self.decoder = network.decoder
        self.branch = reconstructor.decoder
        # nnU-Net's decoders keep the encoder that they were sized for.
        self.branch.encoder = self.encoder

    def forward(self, image: torch.Tensor) -> Any:
        """Logits of an image (B, C, *spatial); in training mode with the error of its reconstruction."""
        features = self.encoder(image)
        segmentation = self.decoder(features)
        if not self.training:
            return segmentation
        # Every other sample of large batches: the same error on average at half the branch's cost. nnU-Net puts the
        # samples that it forces to show foreground last, so the first half would be a choice.
        every = 2 if len(image) >= LARGE_BATCH else 1
        output = decode_without_skips(self.branch, features[-1][::every])
        return SegmentationAndError(segmentation, _foreground_error(output, image[::every]))


class AuxiliaryLoss(nn.Module):
    """Segmentation loss + λ · reconstruction error; in evaluation mode the former alone.

    Args:
        loss: Segmentation loss of nnU-Net.
        weight: Factor λ of the reconstruction error.
    """

    def __init__(self, loss: nn.Module, weight: float) -> None:
        super().__init__()
        self.loss = loss
        self.weight = weight

    def forward(self, output: Any, target: Any) -> torch.Tensor:
        """The loss, a scalar.

        Args:
            output: Output of the network in training or evaluation mode.
            target: Target of the segmentation loss.
        """
        if isinstance(output, SegmentationAndError):
            return self.loss(output.segmentation, target) + self.weight * output.error
        return self.loss(output, target)


def stock_weights(weights: dict[str, Any]) -> dict[str, Any]:
    """The weights of the plan's network, without the branch's."""
    return {name: tensor for name, tensor in weights.items() if not name.startswith(f"{BRANCH}.")}


def _foreground_error(output: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """Mean squared error over the voxels where any channel is not exactly 0 (background, padding)."""
    inside = (image != 0).any(dim=1, keepdim=True)
    error = (output.float() - image.float()).square() * inside
    return error.sum() / (inside.sum() * image.shape[1]).clamp(min=1)
