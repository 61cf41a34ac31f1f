import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nnunet_uad.metrics.histogram import COARSENING, ScoreHistogram, bins_of, lower_edges

FLOATS = hnp.arrays(np.float32, st.integers(1, 60), elements=st.floats(width=32, allow_nan=False))


@settings(deadline=None)
@given(FLOATS)
def test_bins_keep_the_order(scores):
    order = np.argsort(scores, kind="stable")
    assert (np.diff(bins_of(scores)[order]) >= 0).all()


@settings(deadline=None)
@given(FLOATS)
def test_edges_lie_at_or_below_their_scores_and_close(scores):
    bins = bins_of(scores)
    edges = lower_edges(bins)
    assert (edges <= scores).all()
    finite = np.isfinite(scores) & (np.abs(scores) > 1e-12)
    assert (scores[finite] - edges[finite] <= np.abs(scores[finite]) / 16384).all()
    assert np.array_equal(bins_of(edges), bins)


@settings(deadline=None)
@given(FLOATS, st.integers(0, 60))
def test_parts_add_up_to_the_whole(scores, cut):
    labels = scores > np.median(scores)
    whole, first, second = ScoreHistogram(), ScoreHistogram(), ScoreHistogram()
    whole.add(scores, labels)
    first.add(scores[:cut], labels[:cut]) if cut else None
    second.add(scores[cut:], labels[cut:]) if cut < len(scores) else None
    first.merge(second)
    assert first.first_bin == whole.first_bin
    assert np.array_equal(first.voxels, whole.voxels) and np.array_equal(first.positives, whole.positives)


def test_minus_zero_is_zero():
    histogram = ScoreHistogram()
    histogram.add(np.array([0.0, -0.0, 1e-13], np.float32), np.array([True, False, False]))
    assert histogram.voxels.tolist() == [3]


@pytest.mark.parametrize("nan", [np.float32("nan"), -np.float32("nan")])
def test_nan_is_refused_infinity_is_not(nan):
    with pytest.raises(ValueError, match="NaN"):
        ScoreHistogram().add(np.array([1.0, nan], np.float32), np.array([True, False]))
    histogram = ScoreHistogram()
    histogram.add(np.array([np.inf, -np.inf, 0], np.float32), np.array([True, False, False]))
    assert histogram.voxels.sum() == 3


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="expected the same"):
        ScoreHistogram().add(np.zeros((2, 3)), np.zeros((3, 2), bool))


def test_coarse_bins_hold_the_same_counts():
    rng = np.random.default_rng(0)
    scores, labels = rng.standard_normal(5000).astype(np.float32), rng.random(5000) < 0.1
    histogram = ScoreHistogram()
    histogram.add(scores, labels)
    coarse = histogram.coarse()
    expected = bins_of(scores) // COARSENING
    assert set(coarse) == set(expected.tolist())
    assert all(coarse[b] == (int(labels[expected == b].sum()), int((expected == b).sum())) for b in coarse)


def test_many_chunks_make_one_histogram(monkeypatch):
    monkeypatch.setattr("nnunet_uad.metrics.histogram._CHUNK", 7)
    scores = np.linspace(-3, 5, 100, dtype=np.float32)
    histogram = ScoreHistogram()
    histogram.add(scores, scores > 1)
    assert histogram.voxels.sum() == 100 and histogram.positives.sum() == (scores > 1).sum()
