import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from nnunet_uad.metrics.curves import Curve, average_precision
from nnunet_uad.metrics.histogram import ScoreHistogram
from nnunet_uad.scoring.scales import kinds_beside, small_lesions, with_intensity
from nnunet_uad.scoring.score import small_lesion_map
from nnunet_uad.scoring.score_settings import ScoreSettings

SPACING = (2.0, 1.0, 1.0)


@pytest.fixture
def case():
    """A score of noise with a lesion of few voxels, its foreground, and where the lesion is."""
    score = np.random.default_rng(0).standard_normal((6, 32, 32)).astype(np.float32)
    inside = np.zeros(score.shape, bool)
    inside[:, 3:-3, 2:-2] = True
    lesion = np.zeros(score.shape, bool)
    lesion[3, 10:12, 10:12] = True
    score[lesion] += 2.5
    return score, inside, lesion


def test_fine_scale_and_contrast_to_the_surroundings_in_interquartile_ranges(case):
    score, inside, _ = case

    def smooth(mm):
        sigma = np.array([mm / s for s in SPACING])
        total, share = (gaussian_filter(v, sigma, mode="constant") for v in (score * inside, inside.astype(float)))
        return (total / np.where(inside, share, 1))[inside]

    def z(values):
        low, middle, high = np.percentile(values, [25, 50, 75])
        return (values - middle) / (high - low)

    found = small_lesions(score, inside, SPACING)
    expected = z(smooth(0.5)) + z(smooth(0.5) - smooth(5))
    assert np.allclose(found[inside], expected, atol=1e-3) and not found[~inside].any()


def test_the_image_has_three_quarters_at_least():
    assert with_intensity(ScoreSettings()).intensity_weight == 0.75
    assert with_intensity(ScoreSettings(intensity_weight=1.0)).intensity_weight == 1.0


@settings(deadline=None, max_examples=15)
@given(factor=st.floats(0.01, 100), shift=st.floats(-10, 10))
def test_units_do_not_matter(factor, shift):
    score = np.random.default_rng(1).standard_normal((3, 12, 12)).astype(np.float32)
    inside = np.ones(score.shape, bool)
    changed = small_lesions((score * factor + shift).astype(np.float32), inside, SPACING)
    assert np.allclose(changed, small_lesions(score, inside, SPACING), atol=1e-2)


def test_a_lesion_of_few_voxels_stands_out_more_than_after_wide_smoothing(case):
    score, inside, lesion = case

    def precision(values):
        histogram = ScoreHistogram()
        histogram.add(values, lesion)
        return average_precision(Curve.of(histogram))

    found = small_lesion_map(score, inside, SPACING, ScoreSettings(score="small-lesions"))
    wide = np.where(inside, np.exp(gaussian_filter(score * inside, (1, 2, 2))), 0).astype(np.float32)
    assert precision(found) > 2 * precision(wide)
    assert (found[inside] > 0).all() and not found[~inside].any()


def test_erosion_applies_a_median_does_not_and_a_constant_score_is_constant(case):
    score, inside, _ = case
    eroded = small_lesion_map(score, inside, SPACING, ScoreSettings(score="small-lesions", erosion_mm=2.5))
    assert not eroded[:, 3].any() and not eroded[0].any() and eroded[3, 16, 16] > 0
    plain, median = (
        small_lesion_map(score, inside, SPACING, ScoreSettings(score="small-lesions", median_mm=mm)) for mm in (0, 3)
    )
    assert np.array_equal(median, plain)
    assert not small_lesions(np.ones_like(score), inside, SPACING).any()


def test_each_kind_of_score_has_the_other_beside_it():
    assert kinds_beside(ScoreSettings(smoothing_mm=1)) == {
        "small-lesions": ScoreSettings(smoothing_mm=1, score="small-lesions")
    }
    assert list(kinds_beside(ScoreSettings(score="small-lesions"))) == ["default"]
    assert kinds_beside(ScoreSettings(score="standardised")) == {}
