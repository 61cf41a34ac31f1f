import numpy as np
import pytest

from nnunet_uad.scoring.filters import smoothed
from nnunet_uad.scoring.score import anomaly_map, positive
from nnunet_uad.scoring.score_settings import ScoreSettings
from nnunet_uad.scoring.standardised import divisors, refuse_without_draws

SPACING = (3.0, 1.0, 1.0)


@pytest.fixture
def case():
    """Image, mean, spread (2, z, y, x), foreground (z, y, x)."""
    rng = np.random.default_rng(0)
    image, mean = rng.standard_normal((2, 2, 4, 24, 24)).astype(np.float32)
    foreground = np.zeros((4, 24, 24), bool)
    foreground[:, 3:-3, 2:-2] = True
    return image, mean, rng.uniform(0.1, 2.0, image.shape).astype(np.float32), foreground


@pytest.mark.parametrize("smoothing", [0.0, 2.0])
@pytest.mark.parametrize("residual", ["signed", "absolute"])
def test_the_map_is_the_formula(case, residual, smoothing):
    image, mean, spread, inside = case
    given = {} if residual == "absolute" else {"intensity_weight": 0.25}
    settings = ScoreSettings(
        score="standardised",
        residual=residual,
        channel_weights="FLAIR:3,T1:1",
        smoothing_mm=smoothing,
        **given,
    )
    found = anomaly_map(image, mean, inside, SPACING, ["FLAIR", "T1"], settings, 2, spread)
    difference = image - 0.75 * mean if residual == "signed" else abs(image - mean)
    expected = np.zeros(inside.shape)
    for r, s, weight in zip(difference, spread, (0.75, 0.25), strict=True):
        expected += weight * r / (s + np.median(s[inside]))
    expected = positive(smoothed(expected, inside, SPACING, smoothing))
    assert np.allclose(found[inside], expected[inside], rtol=1e-4) and not found[~inside].any()


def test_scale_does_not_matter_and_agreement_counts_at_most_twice(case):
    *_, spread, inside = case
    spread[0], spread[1] = 0.5, 0.0
    weights = np.array([1.0, 0.0])
    usual = divisors(spread, inside, weights)
    assert np.allclose(usual[0], 1.0) and np.allclose(divisors(4 * spread, inside, weights)[0], 4.0)
    spread[0, 2] = 0.0
    agreeing = divisors(spread, inside, weights)[0]
    assert np.allclose(agreeing[2], usual[0, 2] / 2) and np.allclose(agreeing[1], usual[0, 1])


def test_draws_that_are_all_alike_have_no_spread(case):
    image, mean, spread, inside = case
    with pytest.raises(ValueError, match="all draws are alike in this image"):
        divisors(np.zeros_like(spread), inside, np.array([1.0, 0.0]))
    assert divisors(np.zeros_like(spread), np.zeros_like(inside), np.ones(2)).all(), "an image without foreground"
    with pytest.raises(ValueError, match="expects the spread over several draws, found a single reconstruction"):
        anomaly_map(image, mean, inside, SPACING, ["FLAIR", "T1"], ScoreSettings(score="standardised"))


def test_a_model_that_draws_nothing_is_refused_with_those_that_do():
    refuse_without_draws(ScoreSettings(), False)
    refuse_without_draws(ScoreSettings(score="standardised"), True)
    with pytest.raises(ValueError, match=r"draws nothing .* nnUNetPretrainerMAE, .* or give score=default"):
        refuse_without_draws(ScoreSettings(score="standardised"), False)
