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


@pytest.mark.slow
@settings(max_examples=30)
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


@pytest.mark.parametrize("sign", [1, -1])
def test_between_a_half_and_one(sign):
    ulp = 2.0**-24
    near_one = (1 - ulp * np.arange(1, 2000)).astype(np.float32)
    scores = np.sort(sign * np.concatenate([np.linspace(0.4, 1.2, 4001, dtype=np.float32), near_one]))
    bins = bins_of(scores)
    assert (np.diff(bins) >= 0).all()
    # Next to 1 every float has a bin of its own.
    assert len(np.unique(bins_of(sign * near_one))) == len(near_one)
    edges = lower_edges(bins)
    assert (edges <= scores).all() and np.array_equal(bins_of(edges), bins)
    assert (scores - edges <= np.abs(scores) / 16384).all()


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


def test_compact_keeps_the_top_and_sums_the_rest():
    rng = np.random.default_rng(0)
    scores, labels = rng.standard_normal(5000).astype(np.float32), rng.random(5000) < 0.1
    histogram = ScoreHistogram()
    histogram.add(scores, labels)
    whole, compact = histogram.compact(10**6), histogram.compact(100)
    assert np.array_equal(compact[:100], whole[:100]) and len(compact) < len(whole)
    assert (np.diff(whole[:, 0]) < 0).all() and (whole[:, 1:].sum(0) == compact[:, 1:].sum(0)).all()
    assert compact[:, 1].sum() == labels.sum() and compact[:, 2].sum() == 5000
    group = compact[100 + 3]
    inside = whole[100:][(whole[100:, 0] // COARSENING) == group[0] // COARSENING]
    assert (inside[:, 1:].sum(0) == group[1:]).all()


def test_many_chunks_make_one_histogram(monkeypatch):
    monkeypatch.setattr("nnunet_uad.metrics.histogram._CHUNK", 7)
    scores = np.linspace(-3, 5, 100, dtype=np.float32)
    histogram = ScoreHistogram()
    histogram.add(scores, scores > 1)
    assert histogram.voxels.sum() == 100 and histogram.positives.sum() == (scores > 1).sum()


@pytest.mark.parametrize("low", [0.0, 0.5, -2.0])
def test_background_that_is_counted_at_once_counts_as_before(low):
    """Zeros in two maps, of lesion voxels, too; the others above them or on both sides."""
    rng = np.random.default_rng(0)
    histogram, parts = ScoreHistogram(), []
    for _ in range(2):
        scores = np.where(rng.random(300) < 0.6, 0, low + rng.random(300)).astype(np.float32)
        labels = rng.random(300) < 0.2
        histogram.add(scores, labels)
        parts.append((bins_of(scores), labels))
    bins, labels = (np.concatenate(p) for p in zip(*parts, strict=True))
    for counts, of in ((histogram.voxels, bins), (histogram.positives, bins[labels])):
        expected = dict(zip(*np.unique(of, return_counts=True), strict=True))
        assert {k + histogram.first_bin: counts[k] for k in np.flatnonzero(counts)} == expected
