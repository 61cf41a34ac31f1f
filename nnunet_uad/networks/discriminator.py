"""A patch-wise discriminator (PatchGAN, Isola et al. 2017, https://arxiv.org/abs/1611.07004) of known field, mm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from nnunet_uad.common.precision import full_precision
from nnunet_uad.networks.blur import GaussianBlur

#: Kernel size and padding of MONAI's discriminator.
_KERNEL = 4
MOST_LAYERS = 5


def receptive_field(layers: int) -> int:
    """Edge of the patch that one output sees, voxels: ``layers`` convolutions of stride 2, two of stride 1."""
    strides = [2] * layers + [1, 1]
    field, jump = 1, 1
    for stride in strides:
        field += (_KERNEL - 1) * jump
        jump *= stride
    return field


def choose_layers(field_mm: float, spacing: Sequence[float], patch_size: Sequence[int]) -> int:
    """Number of layers whose receptive field along the finest axis is nearest to ``field_mm``.

    Args:
        field_mm: Wanted edge, mm.
        spacing: Voxel size per axis, mm.
        patch_size: Voxels per axis; every axis must keep an output.

    Raises:
        ValueError: The patch is too small for a discriminator.
    """
    possible = [n for n in range(1, MOST_LAYERS + 1) if min(patch_size) >= 3 * 2**n]
    if not possible:
        raise ValueError(
            f"A patch of {' x '.join(map(str, patch_size))} voxels is too small for a patch-wise discriminator, which "
            "needs 6 voxels per axis. Plan with a larger patch (nnunet_uad small-plan --patch …)."
        )
    return min(possible, key=lambda n: abs(receptive_field(n) * min(spacing) - field_mm))


@dataclass(frozen=True)
class DiscriminatorRecipe:
    """Recipe of a patch-wise discriminator.

    Attributes:
        axes: Spatial axes, 2 or 3.
        channels: Number of channels of the image.
        width: Channels of the first convolution.
        layers: Convolutions of stride 2, see :func:`receptive_field`.
        spectral: Whether every convolution is spectrally normalised (Miyato et al., ICLR 2018,
            https://arxiv.org/abs/1802.05957).
        criterion: Meaning of the outputs, ``least_squares`` or ``hinge``.
        blur: Standard deviation per axis of the low-pass through which it sees, voxels; none if empty.
    """

    axes: int
    channels: int
    width: int
    layers: int
    spectral: bool
    criterion: str
    blur: tuple[float, ...] = ()

    def build(self) -> UnrealnessMap:
        """The frozen network of this recipe: a discriminator whose output is its map."""
        return UnrealnessMap(self.discriminator())

    def discriminator(self) -> PatchwiseDiscriminator:
        """The discriminator as it is trained, with fresh weights."""
        return PatchwiseDiscriminator(**asdict(self))

    def to_json(self) -> dict[str, Any]:
        """The recipe as a mapping that survives JSON; without a low-pass as before there was one."""
        content = {"kind": "discriminator", **asdict(self), "blur": list(self.blur)}
        if not self.blur:
            del content["blur"]
        return content

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> DiscriminatorRecipe:
        """The recipe back from :meth:`to_json`."""
        return cls(**{**content, "blur": tuple(content.get("blur", ()))})


class PatchwiseDiscriminator(nn.Module):
    """Says of every patch of an image how real it is.

    Without normalisation layers: they would let every output see the whole image.

    Args:
        axes: Spatial axes, 2 or 3.
        channels: Number of channels of the image.
        width: Channels of the first convolution.
        layers: Convolutions of stride 2, see :func:`receptive_field`.
        spectral: Whether every convolution is spectrally normalised.
        criterion: Meaning of the outputs, ``least_squares`` or ``hinge``.
        blur: Standard deviation per axis of the low-pass through which it sees, voxels; none if empty.
    """

    def __init__(
        self,
        axes: int,
        channels: int,
        width: int,
        layers: int,
        spectral: bool,
        criterion: str,
        blur: Sequence[float] = (),
    ) -> None:
        from monai.networks.nets import PatchDiscriminator

        super().__init__()
        self.layers = layers
        self.criterion = criterion
        self.blur = GaussianBlur(blur) if any(blur) else None
        options: dict[str, Any] = {"kernel_size": _KERNEL, "norm": None, "bias": True, "padding": 1}
        self.network = PatchDiscriminator(axes, width, channels, num_layers_d=layers, **options)
        if spectral:
            for module in [m for m in self.network.modules() if isinstance(m, (nn.Conv2d, nn.Conv3d))]:
                spectral_norm(module)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits (B, 1, *map), higher is more real; one for every 2^layers voxels per axis."""
        return self.features(image)[-1]

    def features(self, image: torch.Tensor) -> list[torch.Tensor]:
        """What every layer says of an image (B, C, *spatial), the logits last."""
        return self.network(image if self.blur is None else self.blur(image))

    def share_of_cells(self, mask: torch.Tensor) -> torch.Tensor:
        """Share of a mask in the cell at the centre of what each output sees, (B, 1, *map).

        Cells are blocks of 2^layers voxels per axis, the distance between outputs; their centres are those of
        :func:`receptive_field`, so the outermost blocks belong to no output.

        Args:
            mask: Mask (B, 1, *spatial).
        """
        pool = functional.avg_pool2d if mask.ndim == 4 else functional.avg_pool3d
        cells = pool(mask.float(), 2**self.layers)
        return cells[(..., *(slice(1, -1) for _ in mask.shape[2:]))]

    def unrealness(self, image: torch.Tensor) -> torch.Tensor:
        """How unreal the surroundings of every voxel look: (B, 1, *spatial) in (0, 1), 0.5 at the decision.

        The outputs lie at the centres of what they see; between them it is interpolated linearly.
        """
        logits = self(image).float()
        # Bent into (0, 1), the slope at the decision as that of 1 − D (least squares) or of (1 − tanh D) / 2 (hinge,
        # which MONAI applies to tanh D).
        unreal = torch.sigmoid(4 * (0.5 - logits) if self.criterion == "least_squares" else -2 * logits)
        return _to_voxels(unreal, image.shape[2:], self.layers, 2)

    def distance(self, image: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """Distance of what the layers before the last one see in two images: (B, 1, *spatial), at least 0.

        Σₗ mean over the channels of |fₗ(x) / ‖fₗ(x)‖ − fₗ(y) / ‖fₗ(y)‖|, norms over the channels, each layer's map
        interpolated as :meth:`unrealness`.

        Args:
            image: Image x (B, C, *spatial).
            other: Image y of the same shape.
        """
        total = image.new_zeros((len(image), 1, *image.shape[2:]), dtype=torch.float32)
        for layer, features in enumerate(self.features(torch.cat([image, other.to(image.dtype)]))[:-1], start=1):
            first, second = functional.normalize(features.float(), dim=1).chunk(2)
            halved = min(layer, self.layers)
            total += _to_voxels((first - second).abs().mean(1, True), image.shape[2:], halved, layer - halved)
        return total


def _to_voxels(values: torch.Tensor, sizes: Sequence[int], halved: int, steady: int) -> torch.Tensor:
    """A layer's map (B, 1, *map) at every voxel, after so many convolutions of stride 2 and of stride 1."""
    for axis, size in enumerate(sizes, start=2):
        weights = _interpolation(size, values.shape[axis], halved, steady, values.device)
        # What is interpolated is a map: not in the bfloat16 that the network may be computed in on CPUs.
        with torch.autocast("cpu", enabled=False):
            values = torch.tensordot(values, weights, dims=([axis], [1])).movedim(-1, axis)
    return values


def _interpolation(size: int, outputs: int, halved: int, steady: int, device: torch.device) -> torch.Tensor:
    """Weights (size, outputs) of the outputs for every voxel of an axis; beyond the outermost, theirs."""
    jump = 2**halved
    first = (1 + steady) / 2 * jump - 0.5
    place = ((torch.arange(size, device=device) - first) / jump).clamp(0, outputs - 1)
    return (1 - (place[:, None] - torch.arange(outputs, device=device)).abs()).clamp(min=0)


class UnrealnessMap(nn.Module):
    """A discriminator as a frozen module whose output is its map; the name of its part is that of the training.

    Args:
        discriminator: Discriminator, with or without weights yet.
    """

    def __init__(self, discriminator: PatchwiseDiscriminator) -> None:
        super().__init__()
        self.discriminator = discriminator

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(B, 1, *spatial)."""
        return self.discriminator.unrealness(image)


def gradient_penalty(discriminator: nn.Module, image: torch.Tensor) -> torch.Tensor:
    """R1 without its factor γ/2: squared gradient at real images.

    Mescheder et al., ICML 2018, eq. 9, https://arxiv.org/abs/1801.04406.

    ‖∇ₓ Σₚ Dₚ(x)‖² divided by the number of patches p, so that its size does not grow with the image; mean over
    the batch.

    Args:
        discriminator: Network that returns logits (B, 1, *map).
        image: Real images (B, C, *spatial).
    """
    # Squares of small gradients underflow in half precision.
    with full_precision(image.device):
        image = image.detach().float().requires_grad_()
        logits = discriminator(image)
        (gradient,) = torch.autograd.grad(logits.sum(), image, create_graph=True)
    return gradient.square().flatten(1).sum(1).mean() / logits[0].numel()
