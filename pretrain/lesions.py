"""Synthetic lesions that a method puts into its patches, to erase them or to tell them from healthy tissue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch

from nnunet_uad.anomalies.anomaly_settings import AnomalySettings
from nnunet_uad.anomalies.blends import VISIBLE
from nnunet_uad.anomalies.transforms import RandomAnomalyTransform
from nnunet_uad.common.bounds import ShareRange, SizeRange
from nnunet_uad.data.transforms import KeepSegmentation


@dataclass(frozen=True)
class LesionSection(AnomalySettings):
    """Settings of the synthetic lesions of DAE and PatchGAN: of the image's own tissues, small as often as large."""

    anomalies: str = "tissue"
    anomaly_size_mm: SizeRange = (3.0, 80.0)
    anomaly_opacity: ShareRange = (0.4, 1.0)


#: Names of these settings.
LESION_SETTINGS = frozenset(field.name for field in fields(LesionSection))


def lesions_in_images(
    settings: LesionSection, spacing: Sequence[float], channel_names: Sequence[str]
) -> KeepSegmentation:
    """A transform that puts lesions into images (C, *spatial), inside the foreground that the segmentation marks.

    Args:
        settings: Settings of the lesions.
        spacing: Voxel size of the patch per axis, mm.
        channel_names: Names of the C channels.
    """
    return KeepSegmentation(RandomAnomalyTransform(settings, spacing, channel_names, marker=1, label=1))


def visible_lesion(lesioned: torch.Tensor, clean: torch.Tensor) -> torch.Tensor:
    """Where a lesion can be seen in any channel, (B, 1, *spatial).

    Args:
        lesioned: Images with lesions (B, C, *spatial), z-score units.
        clean: The same images without.
    """
    return ((lesioned - clean).abs() > VISIBLE).any(dim=1, keepdim=True)
