"""Transforms that give a reconstruction task what it needs from nnU-Net's pipeline."""

from __future__ import annotations

from collections.abc import Iterable

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


def without_intensity(transforms: Iterable[BasicTransform]) -> list[BasicTransform]:
    """nnU-Net's pipeline without its random intensity transforms; spatial ones, masks and labels stay.

    Args:
        transforms: Transforms of the pipeline, in their order.
    """
    return [
        t for t in transforms if not (isinstance(t, RandomTransform) and isinstance(t.transform, ImageOnlyTransform))
    ]
