"""The honest floor: what an image reaches as an anomaly map of its own, without any model, at several scales.

Names in files: ``robust_z:FLAIR``, smoothed ``robust_z:FLAIR@2mm``, of dark lesions ``robust_z:-T1@2mm``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnunet_uad.metrics.baseline import above_zero, robust_z
from nnunet_uad.metrics.boxes import bounding_box
from nnunet_uad.metrics.smoothing import smoothed
from nnunet_uad.scoring.score_settings import ScoreSettings, channel_signs, main_channel

#: Kind of baseline, as it is typed and as it begins the names of the scores.
ROBUST_Z = "robust_z"
#: Standard deviations of the Gaussian, mm; small lesions want small ones, average precision large ones.
SCALES_MM = (0, 1, 2, 3)


@dataclass(frozen=True)
class Floor:
    """The floors of one channel, one per scale.

    Attributes:
        channel: Index of the channel.
        name: Name of the channel, as it is in the names of the scores.
        sign: Sign of the lesions' contrast: 1 for bright lesions, −1 for dark ones.
    """

    channel: int
    name: str
    sign: int = 1

    @property
    def scales(self) -> dict[str, float]:
        """Name of the score → standard deviation of its Gaussian, mm."""
        stem = f"{ROBUST_Z}:{'-' if self.sign < 0 else ''}{self.name}"
        return {f"{stem}@{mm}mm" if mm else stem: float(mm) for mm in SCALES_MM}

    def maps(
        self, image: np.ndarray, foreground: np.ndarray, spacing: Sequence[float], wanted: Collection[str] | None = None
    ) -> dict[str, np.ndarray]:
        """The image as anomaly maps.

        Args:
            image: Intensities of the channel (z, y, x) or (y, x).
            foreground: Mask of the foreground, boolean, of the same shape.
            spacing: Voxel size per axis, mm.
            wanted: Names of the scores to be made; all if omitted.

        Returns:
            Name of the score → map, float32: above 0 in the foreground (see
            :func:`~nnunet_uad.metrics.baseline.above_zero`), 0 outside.
        """
        box = bounding_box(foreground)
        inside = foreground[box]
        z = robust_z(image[box], inside, spacing) * np.float32(self.sign)
        made = {}
        for name, mm in self.scales.items():
            if wanted is None or name in wanted:
                made[name] = np.zeros(image.shape, dtype=np.float32)
                made[name][box][inside] = above_zero(smoothed(z, inside, spacing, mm)[inside])
        return made


def main_floor(settings: ScoreSettings, channel_names: Sequence[str]) -> Floor:
    """The floors of the channel that a score weights most.

    Args:
        settings: Settings of the score.
        channel_names: Names of the channels.

    Raises:
        ValueError: The weights do not fit the channels.
    """
    return every_floor(settings, channel_names)[main_channel(settings.channel_weights, channel_names)]


def every_floor(settings: ScoreSettings, channel_names: Sequence[str]) -> list[Floor]:
    """The floors of every channel, each with the sign of the lesions that a score looks for there.

    Args:
        settings: Settings of the score.
        channel_names: Names of the channels.

    Raises:
        ValueError: The weights do not fit the channels.
    """
    signs = channel_signs(settings, channel_names)
    return [Floor(k, name, sign) for k, (name, sign) in enumerate(zip(channel_names, signs, strict=True))]


def strongest(precisions: Mapping[str, float]) -> str | None:
    """What reaches the highest average precision without a model; ``None`` if none is defined.

    It is chosen on the very cases that are evaluated, which favours the floor: whoever claims to beat it has to beat
    the scale that nobody could have chosen better.

    Args:
        precisions: Average precision by name of the floor or baseline; NaN where it is undefined.
    """
    defined = {name: value for name, value in precisions.items() if not np.isnan(value)}
    return max(defined, key=lambda name: defined[name], default=None)


def shown_scores(summary: Mapping[str, Any]) -> list[str]:
    """Scores of a summary that are worth a line: all but the weaker floors.

    Args:
        summary: Summary that ``evaluate_folders`` returned.
    """
    best = (summary["strongest_floor"] or {}).get("score")
    return [name for name in summary["scores"] if name == best or not is_floor(name)]


def without_scale(score: str) -> str:
    """The name of a floor without its scale; other names are returned as they are.

    Args:
        score: Name of a score in a summary.

    Example:
        >>> without_scale("robust_z:FLAIR@2mm"), without_scale("intensity:FLAIR")
        ('robust_z:FLAIR', 'intensity:FLAIR')
    """
    return re.sub(r"@\d+mm$", "", score)


def is_floor(score: str) -> bool:
    """Whether the name of a score is that of a floor.

    Args:
        score: Name of a score in a summary.
    """
    return score.startswith(f"{ROBUST_Z}:")
