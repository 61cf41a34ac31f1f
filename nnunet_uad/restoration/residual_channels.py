"""The plan's segmentation network with a frozen restorer in front of it (Behrendt et al., MIDL 2024).

What the restorer took away from the image, x − x̂, reaches the network as further input channels, or as a second pass
through its encoder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from nnunet_uad.restoration.frozen import FrozenRestorer, build_restorer
from nnunet_uad.weights.transfer import zero_further_inputs

#: What can be made of an image x and its restoration x̂; each has as many channels as the image.
CHANNEL_KINDS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "signed": lambda image, restored: image - restored,
    "absolute": lambda image, restored: (image - restored).abs(),
    "reconstruction": lambda image, restored: restored,
}
#: The one further channel of a frozen network that returns a score instead of an image.
SCORE = "score"
FORMS = ("channels", "siamese")


class ResidualChannelsNetwork(nn.Module):
    """A frozen restorer and a segmentation network that sees image and residual.

    Voxels where all channels are exactly 0 are background or padding; the restorer was not trained there, and what it
    says about them is set to 0.

    Args:
        restorer: with or without weights yet.
        segmenter: takes the image's channels and the further ones.
        channels: of the image.
        kinds: of :data:`CHANNEL_KINDS`, in the order of the further channels; or :data:`SCORE` alone.
    """

    def __init__(self, restorer: FrozenRestorer, segmenter: nn.Module, channels: int, kinds: Sequence[str]) -> None:
        super().__init__()
        self.restorer = restorer
        self.segmenter = segmenter
        self.channels = channels
        self.kinds = tuple(kinds)

    @property
    def encoder(self) -> nn.Module:
        """Of the segmentation network."""
        return self.segmenter.encoder

    @property
    def decoder(self) -> nn.Module:
        """Of the segmentation network, where nnU-Net switches deep supervision."""
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
        restored = self.restorer(image).to(image.dtype)
        inside = (image != 0).any(dim=1, keepdim=True)
        if self.kinds == (SCORE,):
            return restored * inside
        return torch.cat([CHANNEL_KINDS[kind](image, restored) for kind in self.kinds], dim=1) * inside


class SiameseSegmenter(nn.Module):
    """One encoder for image and residual, whose features meet before the plan's decoder.

    Published with concatenated features in a wider decoder. Here a 1x1 convolution per stage brings them back to the
    plan's width; it starts as the image's features alone, so pretrained weights keep their function.

    Args:
        network: the plan's, for the image's channels.
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


def check_channel_choice(kinds: Sequence[str], form: str) -> None:
    """Refuse kinds or forms that do not exist.

    Raises:
        ValueError: naming what there is.
    """
    unknown = [k for k in kinds if k not in CHANNEL_KINDS]
    if unknown or not kinds or len(set(kinds)) < len(kinds):
        raise ValueError(
            f"residual_channels expects some of {', '.join(CHANNEL_KINDS)}, each once and separated by commas, found "
            f"{','.join(kinds)!r}."
        )
    if form not in FORMS:
        raise ValueError(f"residual_form expects {' or '.join(FORMS)}, found {form!r}.")
    if form == "siamese" and tuple(kinds) != ("signed",):
        raise ValueError("The siamese form compares image and signed residual; leave residual_channels at signed.")


def build_residual_network(
    description: Mapping[str, Any], channels: int, build_segmenter: Callable[[int], nn.Module]
) -> ResidualChannelsNetwork:
    """The network of a description, as plans carry it; the restorer's weights are not part of it.

    Args:
        description: ``network`` and ``restoration`` (:mod:`nnunet_uad.restoration.frozen`), ``kinds``, ``form``,
            ``seed``.
        channels: of the image.
        build_segmenter: number of input channels → the plan's segmentation network.
    """
    restorer = build_restorer(description, description["seed"])
    kinds = description["kinds"]
    if description["form"] == "siamese":
        return ResidualChannelsNetwork(restorer, SiameseSegmenter(build_segmenter(channels)), channels, kinds)
    further = 1 if tuple(kinds) == (SCORE,) else channels * len(kinds)
    segmenter = build_segmenter(channels + further)
    zero_further_inputs(segmenter, channels)
    return ResidualChannelsNetwork(restorer, segmenter, channels, kinds)
