"""The residual of the mean over several draws, divided by their spread: is a voxel off by more than the model varies?

Behrendt et al., https://arxiv.org/abs/2407.12474, with the variances of the voxels alone, not their covariance.
"""

from __future__ import annotations

import numpy as np

from nnunet_uad.scoring.score_settings import DEFAULT, STANDARDISED, ScoreSettings

#: Pretrainers whose draws differ → under which settings; a test compares them with what every pretrainer says.
DRAWING = {
    "nnUNetPretrainerDAE": " (trained with noise, without detection)",
    "nnUNetPretrainerMAE": "",
    "nnUNetPretrainerVAE": "",
    "nnUNetPretrainerAnoVAEGAN": "",
    "nnUNetPretrainerDDPM": "",
}


def refuse_without_draws(settings: ScoreSettings, draws: bool) -> None:
    """Refuse a score of several draws for a model whose draws would all be alike.

    Args:
        settings: Settings of the score.
        draws: Whether the model draws something to reconstruct an image.

    Raises:
        ValueError: It draws nothing; names what does.
    """
    if settings.score == STANDARDISED and not draws:
        named = ", ".join(name + when for name, when in DRAWING.items())
        raise ValueError(
            f"score={STANDARDISED} divides by the spread over several draws, and this model draws nothing when it "
            f"reconstructs an image. Expected one of {named}. For this one leave it out, or give score={DEFAULT}."
        )


def divisors(spread: np.ndarray | None, foreground: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """What image and reconstruction are divided by: s + m, spread and its median over the foreground.

    m is the median over the foreground voxels that vary at all. Where the draws agree, the divisor is m, so no voxel's
    residual counts more than twice what it does where the spread is typical. It follows the model's noise and the
    image's intensities, and a lesion, which takes up less than half of an image, hardly moves it.

    Args:
        spread: Standard deviation over the draws (C, z, y, x).
        foreground: Mask (z, y, x) of the voxels inside the image.
        weights: Weights (C,) of the channels; one without weight is not looked at.

    Returns:
        Divisors (C, z, y, x), float32, above 0.

    Raises:
        ValueError: There is no spread, or it is 0 in the whole foreground.
    """
    if spread is None:
        raise ValueError(f"score={STANDARDISED} expects the spread over several draws, found a single reconstruction.")
    divisor = np.ones_like(spread, dtype=np.float32)
    for channel in np.flatnonzero(weights) if foreground.any() else ():
        varying = spread[channel][foreground & (spread[channel] > 0)]
        if not len(varying):
            raise ValueError(
                f"all draws are alike in this image, so there is no spread to divide by. Score it with score={DEFAULT}."
            )
        divisor[channel] = spread[channel] + np.median(varying)
    return divisor
