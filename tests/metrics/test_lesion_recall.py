import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from nnunet_uad.metrics.anomaly import RankingScores
from nnunet_uad.metrics.lesion_recall import RATES, SIZES, LesionReach, Lesions, recall_key, threshold_key
from nnunet_uad.metrics.lesions import count_lesions


def scan(seed, shape=(8, 20, 20), seeds=0.004):
    """Scores with ties, and lesions of one voxel up to some hundreds."""
    rng = np.random.default_rng(seed)
    positive = ndimage.binary_dilation(rng.random(shape) < seeds, iterations=int(rng.integers(1, 3)))
    positive |= rng.random(shape) < seeds
    scores = np.round(np.abs(rng.standard_normal(shape)) + rng.random() * positive, 2)
    return scores.astype(np.float32), positive


@given(seed=st.integers(0, 10_000), overlap=st.sampled_from([0.1, 0.05, 0.3, 1.0]))
@settings(deadline=None, max_examples=30)
def test_a_lesion_is_found_exactly_where_the_matching_rule_finds_it(seed, overlap):
    scores, positive = scan(seed)
    lesions = Lesions.of(positive)
    reached = lesions.reached(scores.reshape(-1)[lesions.voxels], overlap)
    for threshold in [*np.unique(reached)[:20], 0.01, 1.234, np.inf]:
        counts = count_lesions(scores >= threshold, positive, overlap)
        assert (counts.lesions, counts.found) == (len(reached), (reached >= threshold).sum())


@pytest.mark.parametrize("size", [1, 9, 10, 11, 30, 70, 101])
def test_a_tenth_is_enough(size):
    """Also where a tenth of the size rounds up: 30 · 0.1 > 3."""
    positive = np.ones(size, bool)
    (reached,) = Lesions.of(positive).reached(np.arange(size, dtype=np.float32))
    assert count_lesions(np.arange(size) >= reached, positive).found == 1
    assert count_lesions(np.arange(size) > reached, positive).found == 0


def test_sizes_are_of_the_volume_and_share_no_lesion():
    volumes = np.array([1.0, 99.999, 100.0, 1000.0, 1000.001, 5000.0])
    reach = LesionReach.of(np.zeros(6, np.float32), volumes)
    assert {s.name: reach.count(s) for s in SIZES} == {"": 6, "small": 2, "medium": 2, "large": 2}
    positive = np.zeros((4, 9), bool)
    positive[1:3, 2:5] = True
    assert Lesions.of(positive, 1.5).volumes.tolist() == [9.0]


def test_recall_at_the_rates_of_all_cases():
    """Against the definition: threshold by threshold on all voxels, lesion by lesion with the matching rule."""
    cases = [scan(seed, (8, 30, 30)) for seed in range(4)]
    foregrounds = [np.arange(30)[None, :, None] < 25 + 0 * s[:, :, :1] for s, _ in cases]
    cases = [(np.where(f, s, 0), p & f) for (s, p), f in zip(cases, foregrounds, strict=True)]
    ranking = RankingScores()
    healthy = [int((f & ~p).sum()) for (_, p), f in zip(cases, foregrounds, strict=True)]
    for k, (scores, positive) in enumerate(cases):
        ranking.add(str(k), scores, positive, None, Lesions.of(positive, 30.0), healthy[k])
    pooled = ranking.pooled_scores()
    values = np.concatenate([s[~p] for s, p in cases])
    for rate in RATES:
        allowed = [t for t in np.unique(values) if (values >= t).sum() <= rate * sum(healthy)]
        threshold = pooled[threshold_key(rate)]
        assert (values >= threshold).sum() == (values >= min(allowed)).sum()
        found = [count_lesions(s >= threshold, p) for s, p in cases]
        total = sum(c.lesions for c in found)
        assert pooled[recall_key(SIZES[0], rate)] == pytest.approx(sum(c.found for c in found) / total)
        assert pooled["lesions"] == total == sum(pooled[f"lesions_{s.name}"] for s in SIZES[1:])
        weighted = [
            pooled[recall_key(s, rate)] * pooled[f"lesions{s.suffix}"] for s in SIZES if pooled[f"lesions{s.suffix}"]
        ]
        assert sum(weighted[1:]) == pytest.approx(weighted[0])
        for (case, per_case), counts in zip(ranking.values_per_case(pooled).items(), found, strict=True):
            assert per_case[recall_key(SIZES[0], rate)] == pytest.approx(counts.recall), case
    assert 0 < pooled[recall_key(SIZES[0], 0.001)] < pooled[recall_key(SIZES[0], 0.01)] < 1
    intervals = ranking.pooled_intervals()
    low, high = intervals[recall_key(SIZES[0], 0.01)]
    assert low <= pooled[recall_key(SIZES[0], 0.01)] <= high and low < high


def test_without_lesions_or_healthy_voxels_it_is_undefined():
    ranking = RankingScores()
    ranking.add("healthy", np.arange(8, dtype=np.float32), np.zeros(8, bool))
    pooled = ranking.pooled_scores()
    assert pooled["lesions"] == 0 and math.isnan(pooled[recall_key(SIZES[0], 0.01)])
    ranking = RankingScores()
    ranking.add("all", np.arange(8, dtype=np.float32), np.ones(8, bool))
    pooled = ranking.pooled_scores()
    assert math.isnan(pooled[threshold_key(0.01)]) and math.isnan(pooled[recall_key(SIZES[0], 0.01)])
    # Where the highest score is too frequent to be selected, nothing is found.
    ranking = RankingScores()
    ranking.add("flat", np.ones(8, np.float32), np.arange(8) < 2)
    pooled = ranking.pooled_scores()
    assert pooled[threshold_key(0.01)] == math.inf and pooled[recall_key(SIZES[0], 0.01)] == 0
