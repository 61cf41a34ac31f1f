"""How the network of a method reconstructs images, or scores them: one class per way, used everywhere.

Whole volumes (:class:`~nnunet_uad.inference.restorer.Restorer`) and networks with a frozen restorer inside
(:class:`~nnunet_uad.restoration.frozen.FrozenRestorer`) call the same class with the same settings. Tiles, what is
drawn, mirroring and folds differ between the two: ``docs/residual-channels.md`` says how.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn


class Restoration:
    """Reconstruction by a single call of the network: a denoising autoencoder, an autoencoder.

    Subclasses draw what they need besides the image (noise, groups of blocks) in :meth:`draw`, so that tiles of a
    volume, mirrored copies and repeated predictions see the same, and use it in :meth:`reconstruct`.
    """

    #: Name in the JSON of records and plans.
    kind: ClassVar[str] = "direct"
    #: Whether :meth:`reconstruct` gives an image.
    reconstructs: ClassVar[bool] = True
    #: Whether :meth:`detect` gives an anomaly score.
    detects: ClassVar[bool] = False
    #: Source of the score unless another is asked for; empty: the detection if there is one, else the residual.
    default_source: ClassVar[str] = ""
    #: Whether :meth:`compare` gives a distance between an image and its reconstruction.
    compares: ClassVar[bool] = False
    #: Whether what is drawn counts inside the foreground only.
    drawn_inside: ClassVar[bool] = False
    #: How one of several draws is made, which differ by their seed; ``None`` where all would be alike.
    drawing: Restoration | None = None

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Refuse a way of its own under a name that means another way: it would be rebuilt as that one.

        Raises:
            TypeError: Methods of its own, but no ``kind``.
        """
        super().__init_subclass__(**keywords)
        own = {"draw", "reconstruct", "reconstruct_in_training", "draw_for_volume"} & set(vars(cls))
        if own and "kind" not in vars(cls):
            raise TypeError(f"{cls.__name__} has its own {', '.join(sorted(own))}. Expected a kind of its own, too.")

    def draw(self, image: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """What :meth:`reconstruct` needs besides the image.

        Args:
            image: Tensor (B, C, *spatial) of which shape and device count.
            generator: Source of randomness; PyTorch's global one if omitted.

        Returns:
            Channels (B, E, *spatial); none (E = 0) where nothing is drawn.
        """
        return image[:, :0]

    def reconstruct(self, network: nn.Module, image: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
        """Pseudo-healthy image, float32, of the shape of ``image``, which is not corrupted.

        Args:
            network: Network of the method.
            image: Image (B, C, *spatial), z-score units.
            drawn: Channels of :meth:`draw`, (B, E, *spatial), or (1, E, *spatial) for all images alike.
        """
        return network(image).float()

    def reconstruct_in_training(self, network: nn.Module, image: torch.Tensor) -> torch.Tensor:
        """As :meth:`reconstruct`, of the same shape, drawn anew: what a network that learns from it sees."""
        return self.reconstruct(network, image, self.inside(self.draw(image), image))

    def detect(self, network: nn.Module, image: torch.Tensor) -> torch.Tensor:
        """Anomaly score (B, 1, *spatial), above 0, of an image (B, C, *spatial)."""
        raise NotImplementedError(f"{type(self).__name__} scores nothing itself; its residual is the score.")

    def reconstruct_and_detect(self, network: nn.Module, image: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
        """Reconstruction, and behind its channels the score: (B, C + 1, *spatial), of a method that gives both.

        Args:
            network: Network of the method.
            image: Image (B, C, *spatial), z-score units.
            drawn: Channels of :meth:`draw`.
        """
        return torch.cat([self.reconstruct(network, image, drawn), self.detect(network, image)], dim=1)

    def compare(self, network: nn.Module, image: torch.Tensor, reconstruction: torch.Tensor) -> torch.Tensor:
        """Distance (B, 1, *spatial), at least 0, of what a network sees in an image and in its reconstruction.

        Args:
            network: Network of the method.
            image: Image (B, C, *spatial), z-score units.
            reconstruction: Reconstruction of the same shape.
        """
        raise NotImplementedError(f"{type(self).__name__} has no features to compare; its residual is the distance.")

    def inside(self, drawn: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        """What was drawn (B, E, *spatial), without the background (all 0) where only the foreground counts."""
        return drawn * (image != 0).any(dim=1, keepdim=True) if self.drawn_inside else drawn

    def draw_for_volume(self, foreground: np.ndarray, channels: int, axes: int, seed: int) -> np.ndarray | None:
        """What is drawn once for a whole volume; a network of slices gets an independent drawing for every slice.

        Args:
            foreground: Mask (z, y, x) of the voxels inside the image.
            channels: Number of channels of the image.
            axes: Spatial axes of the network, 2 or 3.
            seed: Seed of what is drawn.

        Returns:
            Channels (E, z, y, x), float32; ``None`` where nothing is drawn.
        """
        shape = foreground.shape
        # Shape and device count: a single number stands for the volume.
        batch = torch.empty(1).expand(math.prod(shape[:-axes]), channels, *shape[-axes:])
        drawn = self.draw(batch, torch.Generator().manual_seed(seed))
        if not drawn.shape[1]:
            return None
        volume = drawn.transpose(0, 1).reshape(-1, *shape).float()
        return (volume * torch.from_numpy(foreground) if self.drawn_inside else volume).numpy()

    def to_json(self) -> dict[str, Any]:
        """Kind and arguments, for :func:`nnunet_uad.restoration.frozen.build_restorer`."""
        return {"kind": self.kind}
