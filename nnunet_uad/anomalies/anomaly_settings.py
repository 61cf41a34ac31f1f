"""Settings of the synthetic anomalies."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nnunet_uad.common.bounds import IntensityRange, PositiveShare, ShareRange, SizeRange
from nnunet_uad.common.channels import bright_channels
from nnunet_uad.common.settings import Settings, refuse_without_effect

ANOMALY_KINDS = ("perlin", "cutpaste", "foreign", "poisson", "shift", "tissue")
#: Kinds whose shapes may be those of real lesions.
SHAPED_KINDS = ("shift", "tissue")
#: Settings that only some kinds have.
_KINDS_OF = {
    "anomaly_opacity": ("perlin", "foreign", "poisson", "tissue"),
    "anomaly_shift": ("shift",),
    "anomaly_sign": SHAPED_KINDS,
    "lesion_masks": SHAPED_KINDS,
}
SIGNS = ("auto", "any", "brighter", "darker")


@dataclass(frozen=True)
class AnomalySettings(Settings):
    """Settings of the synthetic anomalies.

    Attributes:
        anomalies: Kinds of anomalies, separated by commas: some of ``perlin``, ``cutpaste``, ``foreign``, ``poisson``,
            ``shift``, ``tissue``.
        anomaly_probability: Share of the healthy patches that get one.
        anomaly_size_mm: Range of a box's or blob's edge length, mm.
        anomaly_opacity: Range of β (Perlin texture), α (foreign patches) and of a ``tissue`` lesion's opacity.
        anomaly_shift: Range of the intensity shift, z-score units.
        anomaly_sign: Sign of ``shift`` and ``tissue``: ``any``, ``brighter``, ``darker``; ``auto``: brighter in
            channels called FLAIR or T2, any in the others.
        lesion_masks: Folder of masks whose lesions give ``shift`` and ``tissue`` their shapes; random blobs if empty.
    """

    paths: ClassVar[tuple[str, ...]] = ("lesion_masks",)

    anomalies: str = "perlin,cutpaste,foreign,poisson,shift"
    anomaly_probability: PositiveShare = 0.8
    anomaly_size_mm: SizeRange = (6.0, 60.0)
    anomaly_opacity: ShareRange = (0.2, 1.0)
    anomaly_shift: IntensityRange = (0.5, 3.0)
    anomaly_sign: str = "auto"
    lesion_masks: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        unknown = [k for k in self.anomaly_kinds if k not in ANOMALY_KINDS]
        if unknown:
            raise ValueError(
                f"anomalies expects some of {', '.join(ANOMALY_KINDS)}, separated by commas, found {self.anomalies!r}."
            )
        if self.anomaly_sign not in SIGNS:
            raise ValueError(f"anomaly_sign expects {', '.join(SIGNS)}, found {self.anomaly_sign!r}.")

    def check_given(self, keys: Collection[str]) -> None:
        """Refuse settings of kinds that are not among the anomalies.

        Args:
            keys: Names of the settings that somebody gave.

        Raises:
            ValueError: One was given.
        """
        super().check_given(keys)
        for key, kinds in _KINDS_OF.items():
            if not {*kinds} & {*self.anomaly_kinds}:
                instead = f"name one of {', '.join(kinds)} among the anomalies"
                refuse_without_effect({key} & {*keys}, f"with anomalies={self.anomalies}", instead)

    @property
    def anomaly_kinds(self) -> list[str]:
        """Names of the anomalies."""
        return self.anomalies.split(",")


def brighter_channels(sign: str, channel_names: Sequence[str]) -> np.ndarray:
    """Which channels an intensity shift must make brighter, (C,).

    Args:
        sign: Setting ``anomaly_sign``.
        channel_names: Names of the C channels.
    """
    if sign == "auto":
        return bright_channels(channel_names)
    return np.full(len(channel_names), sign == "brighter")
