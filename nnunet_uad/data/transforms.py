"""Transforms that give a reconstruction task what it needs from nnU-Net's pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform, ImageOnlyTransform, SegOnlyTransform
from batchgeneratorsv2.transforms.utils.random import RandomTransform


class ForegroundTransform(SegOnlyTransform):
    """Replaces the segmentation by the foreground: 1 inside the image, −1 outside.

    nnU-Net's preprocessing marks voxels outside the nonzero region, and its loader and spatial transform mark
    padding, by −1. Put first in the pipeline, the −1 of later padding joins in, and nnU-Net's own
    ``RemoveLabelTransform(-1, 0)`` at the end leaves a mask of 1 and 0.
    """

    def _apply_to_segmentation(self, segmentation: torch.Tensor, **params: object) -> torch.Tensor:
        first = segmentation[:1]
        return torch.where(first < 0, -torch.ones_like(first), torch.ones_like(first))


class KeepTarget(BasicTransform):
    """Keeps a copy of the image, which nnU-Net's later transforms mirror along and change no further."""

    def apply(self, data_dict: dict, **params: object) -> dict:
        """Keep the copy under the key that batchgeneratorsv2 has for what a network is compared with."""
        return {**data_dict, "regression_target": data_dict["image"].clone()}


class AppendTarget(BasicTransform):
    """Appends what :class:`KeepTarget` kept to the image's channels: nnU-Net's loader hands on no other arrays.

    Args:
        masked: Channels that nnU-Net sets to 0 outside the foreground.
    """

    def __init__(self, masked: Sequence[int]) -> None:
        super().__init__()
        self.masked = list(masked)

    def apply(self, data_dict: dict, **params: object) -> dict:
        """Append the target (C, *spatial), masked as the image is."""
        target = data_dict.pop("regression_target")
        if self.masked:
            inside = data_dict["segmentation"][0] > 0
            target[self.masked] = target[self.masked].where(inside, 0.0)
        return {**data_dict, "image": torch.cat([data_dict["image"], target])}


class KeepSegmentation(BasicTransform):
    """A transform that may change the image only; what it does to the segmentation is undone.

    Args:
        transform: Transform that makes a new segmentation instead of changing the one it is given.
    """

    def __init__(self, transform: BasicTransform) -> None:
        super().__init__()
        self.transform = transform

    def get_parameters(self, **data_dict: Any) -> dict[str, Any]:
        """What the transform draws for a sample of image (C, *spatial) and segmentation (1, *spatial)."""
        return self.transform.get_parameters(**data_dict)

    def apply(self, data_dict: dict, **params: Any) -> dict:
        """Apply the transform, and put the segmentation (1, *spatial) back."""
        # Transforms change the mapping that they are given.
        return {**self.transform.apply(dict(data_dict), **params), "segmentation": data_dict["segmentation"]}


def _changes_intensity(transform: BasicTransform) -> bool:
    return isinstance(transform, RandomTransform) and isinstance(transform.transform, ImageOnlyTransform)


def without_intensity(transforms: Iterable[BasicTransform]) -> list[BasicTransform]:
    """nnU-Net's pipeline without its random intensity transforms; spatial ones, masks and labels stay.

    Args:
        transforms: Transforms of the pipeline, in their order.
    """
    return [t for t in transforms if not _changes_intensity(t)]


def with_target(
    transforms: Sequence[BasicTransform],
    masked: Sequence[int],
    corrupting: Sequence[BasicTransform] = (),
    before_intensity: bool = False,
) -> list[BasicTransform]:
    """nnU-Net's pipeline, whose images (C, *spatial) become (2 C, *spatial): behind each image what it was before.

    Args:
        transforms: Transforms of the pipeline, in their order.
        masked: Channels that nnU-Net sets to 0 outside the foreground.
        corrupting: Transforms of a method at the end of the pipeline, which leave the segmentation as it is.
        before_intensity: Whether the target is the image before the random intensity transforms, too.

    Returns:
        Transforms, drawing the same random numbers, that append the image as it was before what is to be undone, but
        moved, mirrored and masked as it is.
    """
    found = (i for i, t in enumerate(transforms) if before_intensity and _changes_intensity(t))
    first = next(found, len(transforms))
    return [*transforms[:first], KeepTarget(), *transforms[first:], *corrupting, AppendTarget(masked)]
