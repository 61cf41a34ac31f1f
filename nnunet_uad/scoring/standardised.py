"""The residual of the mean over several draws, divided by their spread: is a voxel off by more than the model varies?

Behrendt et al., https://arxiv.org/abs/2407.12474, with the variances of the voxels alone, not their covariance.
"""

from __future__ import annotations

from nnunet_uad.scoring.score_settings import DEFAULT, STANDARDISED, ScoreSettings

#: What offers several draws, in words; a test compares them with what every pretrainer says.
DRAWING = (
    "nnUNetPretrainerDAE (trained with noise, without detection), nnUNetPretrainerMAE, nnUNetPretrainerVAE, "
    "nnUNetPretrainerAnoVAEGAN or nnUNetPretrainerDDPM"
)


def refuse_without_draws(settings: ScoreSettings, draws: bool) -> None:
    """Refuse a score of several draws for a model whose draws would all be alike.

    Args:
        settings: Settings of the score.
        draws: Whether the model draws something to reconstruct an image.

    Raises:
        ValueError: It draws nothing; names what does.
    """
    if settings.score == STANDARDISED and not draws:
        raise ValueError(
            f"score={STANDARDISED} divides by the spread over several draws, and this model draws nothing when it "
            f"reconstructs an image. Expected a model of {DRAWING}. For this one leave it out, or give score={DEFAULT}."
        )
