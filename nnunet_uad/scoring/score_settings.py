"""How an anomaly score is made of an image and its reconstruction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any

import numpy as np

from nnunet_uad.common.bounds import Bounds, FilterSize, Share, Volume
from nnunet_uad.common.channels import AUTO, bright_channels, residual_kind
from nnunet_uad.common.schema import shown
from nnunet_uad.common.settings import Settings, check_choices, refuse_without_effect, settings_to_json

RESIDUALS = (AUTO, "absolute", "signed", "ssim")
_WEIGHTS = Bounds(-1000, 1000)
SOURCES = (AUTO, "residual", "detection", "product", "sum", "features")
DEFAULT, STANDARDISED, SMALL_LESIONS = "default", "standardised", "small-lesions"
SCORES = (DEFAULT, STANDARDISED, SMALL_LESIONS)


@dataclass(frozen=True)
class ScoreSettings(Settings):
    """Settings of the anomaly score; sizes in mm (pixels for images without a spacing).

    Attributes:
        score: Kind of score: ``default`` of one reconstruction; ``standardised``, of models that draw something to
            reconstruct an image (noise, hidden blocks, a code): the residual of the mean over several draws, divided
            by their spread; ``small-lesions``, of lesions of few voxels: hardly smoothed, plus the contrast to the
            surroundings, each as robust z of the case.
        draws: Number of draws of ``score=standardised``, for a spread; each takes as long as a reconstruction.
        score_from: Source of the score: ``residual`` of the reconstruction; ``detection``, of models that score the
            image itself; their ``product``, or their ``sum``; ``features``, of models whose discriminator
            compares image and reconstruction; ``auto``: the sum for a DAE that detects, else the
            detection if there is one, else the residual.
        residual: Kind of residual: ``signed`` x − f(x), bright lesions; ``absolute`` |x − f(x)|; ``ssim`` 1 − local
            structural similarity; ``auto`` signed where there is a FLAIR or T2 channel, else absolute.
        channel_weights: Weights of the channels, ``NAME:WEIGHT,NAME:WEIGHT``; negative weights of a signed residual
            look for dark lesions. ``auto``: FLAIR and T2 channels if there are any, else all, equally.
        intensity_weight: Share of the image itself in a signed residual, x − (1 − w) · f(x): 0 is the plain
            residual, 1 the plain intensity. Other residuals take none.
        intensity_factor: Whether the map is multiplied by the intensity of the channel that counts most (the first of
            equal ones), as robust z above 0: a voxel has to be anomalous and bright, or dark, where the weight of a
            signed residual is negative. Residuals that are asked to be ``absolute`` or ``ssim`` take none.
        smoothing_mm: Standard deviation of a Gaussian over the map, within the foreground, mm.
        median_mm: Edge of a median filter over the map, mm.
        erosion_mm: Depth by which the foreground is eroded, mm; the score is 0 outside.
        min_component_mm3: Size below which components are removed from masks, mm³ (mm², for 2D images).
    """

    score: str = DEFAULT
    draws: Annotated[int, Bounds(2, 100)] = 6
    score_from: str = AUTO
    residual: str = AUTO
    channel_weights: str = AUTO
    intensity_weight: Share = 0.25
    intensity_factor: bool = False
    smoothing_mm: FilterSize = 2.0
    median_mm: FilterSize = 0.0
    erosion_mm: FilterSize = 0.0
    min_component_mm3: Volume = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choices(self, {"score": SCORES, "residual": RESIDUALS, "score_from": SOURCES})
        if self.intensity_factor and self.residual in ("absolute", "ssim"):
            raise ValueError(
                f"intensity_factor=true looks for bright or dark lesions, residual={self.residual} for both: leave one "
                "out, or choose residual=signed."
            )
        if self.score != STANDARDISED:
            return
        if self.score_from not in (AUTO, "residual") or self.residual == "ssim":
            raise ValueError(
                f"score={STANDARDISED} divides a signed or absolute residual, found score_from={self.score_from} and "
                f"residual={self.residual}: leave them out, or give score={DEFAULT}."
            )

    @property
    def reconstructions(self) -> int:
        """Number of reconstructions that the score is made of: its draws, or 1."""
        return self.draws if self.score == STANDARDISED else 1

    def check_given(self, keys: Collection[str]) -> None:
        """Refuse a number of draws for a score that is made of one, and a scale for one that has its own.

        Args:
            keys: Names of the settings that somebody gave.

        Raises:
            ValueError: One was given.
        """
        super().check_given(keys)
        if self.score != STANDARDISED:
            refuse_without_effect({"draws"} & {*keys}, f"with score={self.score}", f"choose score={STANDARDISED}")
        if self.score == SMALL_LESIONS:
            beside = f"with score={self.score}, which has scales of its own and much of the intensity"
            without = {"smoothing_mm", "median_mm", "intensity_factor"} & {*keys}
            refuse_without_effect(without, beside, f"choose score={DEFAULT}")


def same_score(stored: Mapping[str, Any], score: Mapping[str, Any]) -> bool:
    """Whether a file speaks of a score; what its version did not know yet was then as the default is.

    Args:
        stored: Settings of a score as a file of this or an earlier version holds them.
        score: Settings of the score as JSON.

    Example:
        >>> same_score({"residual": "signed"}, {"residual": "signed", "score": "default"})
        True
        >>> same_score({"residual": "signed"}, {"residual": "signed", "score": "small-lesions"})
        False
    """
    defaults = {k: v for k, v in settings_to_json(ScoreSettings()).items() if k in score}
    return {**defaults, **stored} == score


def score_settings(settings: ScoreSettings) -> ScoreSettings:
    """Only the settings of the score, out of a training's.

    Args:
        settings: Settings of a training, or of a score.
    """
    return ScoreSettings(**{f.name: getattr(settings, f.name) for f in fields(ScoreSettings)})


def channel_weights(text: str, channel_names: Sequence[str]) -> np.ndarray:
    """Weights of the channels, absolute values summing to 1.

    Args:
        text: Setting ``channel_weights``.
        channel_names: Names of the C channels.

    Returns:
        Weights (C,).

    Raises:
        ValueError: A channel does not exist, a weight is no number, or all are 0.

    Example:
        >>> channel_weights("auto", ["FLAIR", "T1"]).tolist()
        [1.0, 0.0]
        >>> channel_weights("FLAIR:3,T1:-1", ["FLAIR", "T1"]).tolist()
        [0.75, -0.25]
    """
    names = [name.strip().casefold() for name in channel_names]
    if text == AUTO:
        bright = bright_channels(channel_names)
        weights = bright.astype(float) if bright.any() else np.ones(len(names))
    else:
        weights = np.zeros(len(names))
        for entry in text.split(","):
            name, _, value = entry.rpartition(":")
            try:
                weights[names.index(name.strip().casefold())] = _weight(value)
            except ValueError as error:
                raise ValueError(
                    f"channel_weights expects NAME:WEIGHT,NAME:WEIGHT with names out of "
                    f"{', '.join(channel_names)} and {_WEIGHTS} as weight, found {shown(entry)}."
                ) from error
    if not weights.any():
        raise ValueError("channel_weights are all 0.")
    return weights / np.abs(weights).sum()


def _weight(text: str) -> float:
    value = float(text)
    if value not in _WEIGHTS:
        raise ValueError(f"a weight expects {_WEIGHTS}, found {text}.")
    return value


def main_channel(text: str, channel_names: Sequence[str]) -> int:
    """Index of the channel with the largest weight: the one to show, and whose intensity is the baseline.

    Args:
        text: Setting ``channel_weights``.
        channel_names: Names of the channels.
    """
    return int(np.argmax(np.abs(channel_weights(text, channel_names))))


def channel_signs(settings: ScoreSettings, channel_names: Sequence[str]) -> list[int]:
    """What a score looks for on each channel: −1 for dark lesions, the negative weights of a signed residual, else 1.

    Args:
        settings: Settings of the score.
        channel_names: Names of the C channels.

    Raises:
        ValueError: The weights do not fit the channels.

    Example:
        >>> channel_signs(ScoreSettings(channel_weights="FLAIR:3,T1:-1"), ["FLAIR", "T1"])
        [1, -1]
    """
    weights = channel_weights(settings.channel_weights, channel_names)
    signed = residual_kind(settings.residual, channel_names) == "signed"
    return [-1 if signed and weight < 0 else 1 for weight in weights]
