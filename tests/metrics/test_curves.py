import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from nnunet_uad.metrics.curves import Curve, auroc, average_precision, best_dice, threshold_at_fpr
from nnunet_uad.metrics.histogram import ScoreHistogram


def curve_of(scores, labels):
    histogram = ScoreHistogram()
    histogram.add(scores, labels)
    return Curve.of(histogram)


def made(kind, seed=0, n=200_000):
    """Scores as they occur: separable, skewed, tied, saturated, negative."""
    rng = np.random.default_rng(seed)
    prevalence = 1e-4 if kind in ("skewed", "ranks") else 0.03
    labels = rng.random(n) < prevalence
    scores = rng.standard_normal(n) + 2 * labels
    if kind == "tied":
        scores = np.round(scores)
    if kind == "clipped":
        scores = np.maximum(scores, 0)
    if kind == "ranks":
        scores = (np.argsort(np.argsort(scores)) + 1) / n
    if kind == "probabilities":
        scores = 1 / (1 + np.exp(-6 * (scores - 2)))
    return scores.astype(np.float32), labels


@pytest.mark.parametrize("kind", ["easy", "skewed", "tied", "clipped", "probabilities", "ranks"])
def test_equal_to_scikit_learn(kind):
    scores, labels = made(kind)
    curve = curve_of(scores, labels)
    assert average_precision(curve) == pytest.approx(average_precision_score(labels, scores), abs=1e-3)
    assert auroc(curve) == pytest.approx(roc_auc_score(labels, scores), abs=1e-3)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000), st.integers(2, 40))
def test_small_samples_are_exact(seed, n):
    """With integers every tie is a tie in scikit-learn too."""
    rng = np.random.default_rng(seed)
    scores, labels = rng.integers(-4, 5, n).astype(np.float32), rng.random(n) < 0.4
    labels[:2] = True, False
    curve = curve_of(scores, labels)
    assert average_precision(curve) == pytest.approx(average_precision_score(labels, scores), abs=1e-9)
    assert auroc(curve) == pytest.approx(roc_auc_score(labels, scores), abs=1e-9)
    dice, threshold = best_dice(curve)
    assert dice == pytest.approx(max(f1_score(labels, scores >= t) for t in np.unique(scores)), abs=1e-9)
    assert f1_score(labels, scores >= threshold) == pytest.approx(dice, abs=1e-9)


def test_hand_worked():
    curve = curve_of(np.array([4.0, 3, 2, 1]), np.array([True, False, True, False]))
    assert average_precision(curve) == pytest.approx((1 + 2 / 3) / 2)
    assert auroc(curve) == pytest.approx(0.75)
    assert best_dice(curve) == (pytest.approx(0.8), 2.0)


@pytest.mark.parametrize("labels", [np.zeros(3, bool), np.ones(3, bool)])
def test_undefined_is_nan_not_a_number_out_of_thin_air(labels):
    curve = curve_of(np.arange(3.0), labels)
    assert np.isnan(auroc(curve))
    assert np.isnan(average_precision(curve)) == (not labels.any())
    assert np.isnan(best_dice(curve)[0]) == (not labels.any())


@pytest.mark.slow
@settings(deadline=None)
@given(st.floats(0.001, 0.5), st.integers(0, 1000))
def test_threshold_keeps_the_false_positive_rate(rate, seed):
    scores = np.random.default_rng(seed).standard_normal(3000).astype(np.float32)
    threshold = threshold_at_fpr(curve_of(scores, np.zeros(3000, bool)), rate)
    achieved = (scores >= threshold).mean()
    assert achieved <= rate and achieved > rate - 0.01


def test_threshold_where_the_highest_score_is_common():
    curve = curve_of(np.array([1.0, 1, 1, 0]), np.zeros(4, bool))
    assert threshold_at_fpr(curve, 0.1) == float("inf")


@pytest.mark.parametrize("rate", [0, 1, -0.1])
def test_bad_rates_are_refused(rate):
    with pytest.raises(ValueError, match="between 0 and 1"):
        threshold_at_fpr(curve_of(np.arange(3.0), np.zeros(3, bool)), rate)
    with pytest.raises(ValueError, match="no voxel without lesion"):
        threshold_at_fpr(curve_of(np.arange(3.0), np.ones(3, bool)), 0.1)
