import numpy as np
import pytest
from statistics_truth import matrix

from nnunet_uad.statistics.label_saving import label_saving, labels_needed

AMOUNTS = (1, 3, 10)


def test_interpolation_by_hand():
    scores = np.array([0.2, 0.4, 0.6])
    assert labels_needed(AMOUNTS, scores, 0.4) == 3 and labels_needed(AMOUNTS, scores, 0.2) == 1
    # Halfway between 0.4 and 0.6: the geometric mean of 3 and 10.
    assert labels_needed(AMOUNTS, scores, 0.5) == pytest.approx(30**0.5)
    assert labels_needed(AMOUNTS, scores, 0.1) == 0 and labels_needed(AMOUNTS, scores, 0.61) == float("inf")


def test_a_curve_that_falls_is_made_monotone():
    scores = np.array([0.3, 0.5, 0.4])
    # 0.5 and 0.4 become 0.45 both; the fewest labels that reach it count.
    assert labels_needed(AMOUNTS, scores, 0.45) == pytest.approx(3)
    assert labels_needed(AMOUNTS, scores, 0.375) == pytest.approx(3**0.5)
    assert labels_needed(AMOUNTS, scores, 0.46) == float("inf")


def studies(values, rng, spread=0.02):
    return [matrix(v + spread * rng.standard_normal((3, 30))) for v in values]


def test_twice_the_labels():
    """The arm's score at n is the baseline's at 2 n."""
    rng = np.random.default_rng(0)
    amounts = (1, 2, 4, 8)
    baseline = studies([0.4, 0.5, 0.6, 0.7], rng)
    arm = studies([0.5, 0.6, 0.7, 0.8], rng)
    savings = label_saving(amounts, baseline, arm)
    for k in range(2):
        assert savings[k].factor == pytest.approx(2, rel=0.1) and savings[k].low < 2.05 and savings[k].high > 1.95
        assert savings[k].low <= savings[k].factor <= savings[k].high
    assert savings[3].factor == savings[3].high == float("inf")


def test_equal_arms_save_nothing():
    rng = np.random.default_rng(1)
    baseline = studies([0.4, 0.5, 0.6], rng)
    for saving in label_saving(AMOUNTS, baseline, baseline):
        assert saving.factor == pytest.approx(1) and saving.low <= 1 <= saving.high


def test_single_training_and_missing_cases():
    base = [matrix(np.array([[0.4, np.nan, 0.5]])), matrix(np.array([[0.6, 0.7, np.nan]]))]
    savings = label_saving((1, 2), base, base[::-1])
    assert savings[0].factor == pytest.approx(2) and savings[1].factor == pytest.approx(0.5)
    assert np.isnan([savings[0].low, savings[0].high]).all()
