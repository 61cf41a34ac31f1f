import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunet_uad.scoring.score import anomaly_map, anomaly_mask, detection_map, positive
from nnunet_uad.scoring.score_settings import ScoreSettings

NAMES = ["FLAIR", "T1"]
PLAIN = {"intensity_weight": 0, "smoothing_mm": 0}


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    image = rng.standard_normal((2, 5, 16, 16)).astype(np.float32)
    restored = image.copy()
    restored[0, 2, 5:8, 5:8] -= 2  # brighter than expected
    restored[0, 2, 11:14, 11:14] += 2  # darker than expected
    foreground = np.ones((5, 16, 16), bool)
    foreground[:, :, 0] = False
    return image, restored, foreground


def test_signed_ranks_bright_above_unchanged_above_dark_above_outside(case):
    score = anomaly_map(*case, (1, 1, 1), NAMES, ScoreSettings(**PLAIN))
    assert score[2, 6, 6] == pytest.approx(2.1) and score[0, 8, 8] == pytest.approx(0.1)
    assert 0 < score[2, 12, 12] < 0.1 and (score[:, :, 0] == 0).all()


def test_absolute_sees_both(case):
    score = anomaly_map(*case, (1, 1, 1), NAMES, ScoreSettings(residual="absolute", **PLAIN))
    assert score[2, 6, 6] == score[2, 12, 12] == pytest.approx(2.1)


def test_an_intensity_weight_of_one_is_the_intensity(case):
    score = anomaly_map(*case, (1, 1, 1), NAMES, ScoreSettings(intensity_weight=1, smoothing_mm=0))
    inside = case[2]
    order = np.argsort(case[0][0][inside])
    assert (np.diff(score[inside][order]) >= 0).all()


def test_the_intensity_weight_is_the_formula(case):
    image, restored, inside = case
    score = anomaly_map(*case, (1, 1, 1), NAMES, ScoreSettings(intensity_weight=0.25, smoothing_mm=0))
    expected = image[0] - 0.75 * restored[0]
    bright = inside & (expected >= 0)
    assert np.allclose(score[bright], expected[bright] + 0.1, atol=1e-5)


@settings(deadline=None)
@given(st.lists(st.floats(-7, 50, width=32), min_size=2, max_size=40))
def test_positive_keeps_the_order_and_is_above_zero(values):
    scores = np.sort(np.array(values, np.float32))
    raised = positive(scores)
    assert (raised > 0).all() and (np.diff(raised) >= 0).all()


def test_erosion_and_mask(case):
    score = anomaly_map(*case, (1, 1, 1), NAMES, ScoreSettings(erosion_mm=1.5, **PLAIN))
    assert (score[:, :, 1] == 0).all() and (score[0] == 0).all() and score[2, 6, 6] > 2
    keeping = ScoreSettings(min_component_mm3=9)
    assert anomaly_mask(score, 1.0, (1, 1, 1), keeping).sum() == 9
    assert anomaly_mask(score, 1.0, (1, 1, 1), ScoreSettings(min_component_mm3=10)).sum() == 0


def test_a_probability_stays_one():
    rng = np.random.default_rng(0)
    probability = rng.random((3, 8, 8)).astype(np.float32)
    foreground = rng.random((3, 8, 8)) < 0.7
    plain = detection_map(probability, foreground, (1, 1, 1), ScoreSettings(smoothing_mm=0))
    assert np.array_equal(plain, np.where(foreground, probability, 0))
    smooth = detection_map(probability, foreground, (1, 1, 1), ScoreSettings(smoothing_mm=2, median_mm=3))
    assert smooth.min() >= 0 and smooth.max() < plain.max() and not smooth[~foreground].any()
