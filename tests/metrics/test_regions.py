import numpy as np
import pytest
from scipy import ndimage

from nnunet_uad.metrics.curves import Curve
from nnunet_uad.metrics.histogram import ScoreHistogram
from nnunet_uad.metrics.regions import RegionOverlap


def aupro_of(cases, max_rate=0.3):
    histogram, regions = ScoreHistogram(), RegionOverlap()
    for scores, labels in cases:
        histogram.add(scores, labels)
        regions.add(scores, labels)
    return regions.aupro(Curve.of(histogram), max_rate)


def by_definition(cases, max_rate):
    """Threshold by threshold, region by region."""
    thresholds = np.unique(np.concatenate([s.ravel() for s, _ in cases]))[::-1]
    negatives = sum((~y).sum() for _, y in cases)
    rates, overlaps = [0.0], [0.0]
    for t in thresholds:
        shares = []
        for s, y in cases:
            components, count = ndimage.label(y, np.ones((3,) * y.ndim))
            shares += [(s[components == k] >= t).mean() for k in range(1, count + 1)]
        rates.append(sum(((s >= t) & ~y).sum() for s, y in cases) / negatives)
        overlaps.append(np.mean(shares))
    x = np.append([r for r in rates if r < max_rate], max_rate)
    y = np.append(
        [o for r, o in zip(rates, overlaps, strict=True) if r < max_rate], np.interp(max_rate, rates, overlaps)
    )
    return np.trapezoid(y, x) / max_rate


@pytest.mark.parametrize("max_rate", [0.3, 1.0])
def test_equal_to_the_definition(max_rate):
    rng = np.random.default_rng(1)
    cases = []
    for _ in range(3):
        labels = ndimage.binary_dilation(rng.random((8, 20, 20)) < 0.003)
        scores = np.round(rng.standard_normal(labels.shape) + 1.5 * labels, 1).astype(np.float32)
        cases.append((scores, labels))
    assert aupro_of(cases, max_rate) == pytest.approx(by_definition(cases, max_rate), abs=1e-6)


def test_every_region_counts_the_same():
    """A large region found and a small one missed: half, whatever the sizes."""
    labels = np.zeros((1, 10, 10), bool)
    labels[0, :5, :5], labels[0, 9, 9] = True, True
    scores = np.where(labels, 1.0, 0.5).astype(np.float32)
    scores[0, 9, 9] = 0.0
    assert aupro_of([(scores, labels)]) == pytest.approx(0.5)


def test_no_region_is_nan():
    assert np.isnan(aupro_of([(np.arange(4.0), np.zeros(4, bool))]))
