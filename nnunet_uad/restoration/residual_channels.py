"""The plan's segmentation network with a frozen restorer in front of it (Behrendt et al., MIDL 2024).

What the restorer took away from the image, x − x̂, reaches the network as further input channels, or as a second pass
through its encoder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from nnunet_uad.networks.discriminator import UnrealnessMap
from nnunet_uad.restoration.channel_kinds import SCORE
from nnunet_uad.restoration.frozen import FrozenRestorer, build_restorer
from nnunet_uad.weights.transfer import zero_further_inputs


def make_channels(
    kinds: Sequence[str], image: torch.Tensor, reconstruction: torch.Tensor, axis: int = 1
) -> torch.Tensor:
    """Further channels of an image: (B, C · number of kinds, *spatial).

    Args:
        kinds: Names out of :data:`~nnunet_uad.restoration.channel_kinds.CHANNEL_KINDS`, in the order of the channels.
        image: Image x (B, C, *spatial).
        reconstruction: Reconstruction x̂ of the same shape.
        axis: Axis of the channels; 0 for images without a batch.
    """
    made: dict[str, Callable[[], torch.Tensor]] = {
        "signed": lambda: image - reconstruction,
        "absolute": lambda: (image - reconstruction).abs(),
        "reconstruction": lambda: reconstruction,
    }
    return torch.cat([made[kind]() for kind in kinds], dim=axis)


class ResidualChannelsNetwork(nn.Module):
    """A frozen restorer and a segmentation network that sees image and residual.

    Voxels where all channels are exactly 0 are background or padding; the restorer was not trained there, and what it
    says about them is set to 0.

    Args:
        restorer: Restorer, with or without weights yet.
        segmenter: Network that takes the image's channels and the further ones.
        channels: Number of channels of the image.
        kinds: Names of :mod:`~nnunet_uad.restoration.channel_kinds`, in the order of the further channels.

    Raises:
        ValueError: The restorer is a discriminator, which has no residual, and the kinds are not its score.
    """

    def __init__(self, restorer: FrozenRestorer, segmenter: nn.Module, channels: int, kinds: Sequence[str]) -> None:
        super().__init__()
        # Its map would be broadcast over the image's channels: a residual of nothing, without an error.
        if isinstance(restorer.network, UnrealnessMap) and tuple(kinds) != (SCORE,):
            raise ValueError(
                f"The frozen network is a discriminator, which scores images and reconstructs none: expected the "
                f"channel {SCORE}, found {', '.join(kinds)}. Train with -tr nnUNetTrainerPatchGANScore, or name a "
                "restorer that reconstructs."
            )
        self.restorer = restorer
        self.segmenter = segmenter
        self.channels = channels
        self.kinds = tuple(kinds)

    @property
    def encoder(self) -> nn.Module:
        """Encoder of the segmentation network."""
        return self.segmenter.encoder

    @property
    def decoder(self) -> nn.Module:
        """Decoder of the segmentation network, where nnU-Net switches deep supervision."""
        return self.segmenter.decoder

    def forward(self, image: torch.Tensor) -> Any:
        """What the segmentation network returns for the image (B, C, *spatial) and its further channels."""
        if image.shape[1] != self.channels:
            raise ValueError(
                f"This model expects images of {self.channels} channel(s), found {image.shape[1]}. It computes the "
                "residual channels itself: give it the images alone."
            )
        return self.segmenter(torch.cat([image, self.further_channels(image)], dim=1))

    def further_channels(self, image: torch.Tensor) -> torch.Tensor:
        """Residual channels (B, C · number of kinds, *spatial), or the score's (B, 1, *spatial), of an image."""
        output = self.restorer(image).to(image.dtype)
        inside = (image != 0).any(dim=1, keepdim=True)
        if self.kinds == (SCORE,):
            return output * inside
        return make_channels(self.kinds, image, output) * inside


class SiameseSegmenter(nn.Module):
    """One encoder for image and residual, whose features meet before the plan's decoder.

    Published with concatenated features in a wider decoder. Here a 1x1 convolution per stage brings them back to the
    plan's width; it starts as the image's features alone, so pretrained weights keep their function.

    Args:
        network: Network of the plan, for the image's channels.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.encoder = network.encoder
        self.decoder = network.decoder
        convolution: type[nn.Module] = {4: nn.Conv2d, 5: nn.Conv3d}[next(network.encoder.parameters()).ndim]
        self.fuse = nn.ModuleList(convolution(2 * width, width, 1) for width in self.encoder.output_channels)
        with torch.no_grad():
            for layer, width in zip(self.fuse, self.encoder.output_channels, strict=True):
                layer.weight.zero_()
                layer.bias.zero_()
                layer.weight[:, :width].flatten(1).copy_(torch.eye(width))

    def forward(self, both: torch.Tensor) -> Any:
        """Logits for image and residual, stacked along the channels (B, 2C, *spatial)."""
        image, residual = both.chunk(2, dim=1)
        features = zip(self.encoder(image), self.encoder(residual), self.fuse, strict=True)
        return self.decoder([fuse(torch.cat([a, b], dim=1)) for a, b, fuse in features])


def build_residual_network(
    description: Mapping[str, Any], channels: int, build_segmenter: Callable[[int], nn.Module]
) -> ResidualChannelsNetwork:
    """The network of a description, as plans carry it; the restorer's weights are not part of it.

    Args:
        description: Mapping with ``network`` and ``restoration`` (:mod:`nnunet_uad.restoration.frozen`), ``kinds``,
            ``form``, ``seed``.
        channels: Number of channels of the image.
        build_segmenter: Function from the number of input channels to the plan's segmentation network.
    """
    restorer = build_restorer(description, description["seed"])
    kinds = description["kinds"]
    if description["form"] == "siamese":
        return ResidualChannelsNetwork(restorer, SiameseSegmenter(build_segmenter(channels)), channels, kinds)
    further = 1 if tuple(kinds) == (SCORE,) else channels * len(kinds)
    segmenter = build_segmenter(channels + further)
    zero_further_inputs(segmenter, channels)
    return ResidualChannelsNetwork(restorer, segmenter, channels, kinds)
