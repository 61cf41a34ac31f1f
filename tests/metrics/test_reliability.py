import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from nnunet_uad.metrics.reliability import (
    RELIABILITY_EDGES,
    calibration_error,
    reliability_counts,
    reliability_curve,
)


def counts(probabilities, positive):
    return {name: np.array(values) for name, values in reliability_counts(probabilities, positive).items()}


def test_reliability_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    probabilities = rng.random(5000).astype(np.float32)
    positive = rng.random(5000) < probabilities**2
    # Equal bins of 0.1: ours, but for the first, which is cut at 0.01.
    keep = probabilities >= 0.1
    predicted, observed, voxels = reliability_curve(counts(probabilities[keep], positive[keep]))
    expected_curve = calibration_curve(positive[keep], probabilities[keep], n_bins=10)
    np.testing.assert_allclose((observed, predicted), expected_curve, rtol=1e-6)
    assert voxels.sum() == keep.sum()
    expected = (
        sum(
            (inside := (probabilities >= low) & (probabilities < high)).sum()
            * abs(probabilities[inside].mean() - positive[inside].mean())
            for low, high in zip(RELIABILITY_EDGES[1:-1], (*RELIABILITY_EDGES[2:-1], 1.1), strict=True)
        )
        / (probabilities >= 0.01).sum()
    )
    assert calibration_error(counts(probabilities, positive)) == pytest.approx(expected, rel=1e-6)


def test_certain_background_does_not_hide_the_error():
    probabilities = np.r_[np.zeros(10_000), np.full(10, 0.9)]
    positive = np.r_[np.zeros(10_000, bool), np.zeros(10, bool)]
    assert calibration_error(counts(probabilities, positive)) == pytest.approx(0.9)
    assert np.isnan(calibration_error(counts(np.zeros(5), np.zeros(5, bool)))) and np.isnan(calibration_error(None))


def test_counts_of_one_and_of_the_edges():
    counted = reliability_counts(np.array([0.0, 0.0099, 0.01, 0.5, 1.0]), np.array([0, 0, 0, 1, 1], bool))
    assert counted["voxels"] == [2, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1] and counted["positives"][-1] == 1
