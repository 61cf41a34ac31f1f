"""Against closed forms, hand-worked values, and simulated studies whose truth is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statistics_truth import coverage, matrix, scores

from nnunet_uad.statistics.intervals import case_interval, components, interval, mean_variance, pair_variances
from nnunet_uad.statistics.matrix import ScoreMatrix


def naive_pairs(values):
    """The definition, pair by pair."""
    sums = {"case": [], "training": [], "neither": []}
    known = [(t, c) for t in range(values.shape[0]) for c in range(values.shape[1]) if not np.isnan(values[t, c])]
    for a in known:
        for b in known:
            if a != b:
                kind = "case" if a[1] == b[1] else "training" if a[0] == b[0] else "neither"
                sums[kind].append((values[a] - values[b]) ** 2 / 2)
    return [np.mean(v) if v else np.nan for v in sums.values()]


@given(st.integers(1, 5), st.integers(1, 6), st.integers(0, 1000))
def test_pair_variances_are_their_definition(trainings, cases, seed):
    rng = np.random.default_rng(seed)
    values = rng.random((trainings, cases))
    values[rng.random(values.shape) < 0.3] = np.nan
    np.testing.assert_allclose(pair_variances(values), naive_pairs(values), atol=1e-12)


def test_balanced_components_are_those_of_the_analysis_of_variance():
    rng = np.random.default_rng(3)
    t, c = 4, 9
    values = rng.random((t, 1)) + 2 * rng.random((1, c)) + 0.3 * rng.random((t, c))
    rows, columns, grand = values.mean(1), values.mean(0), values.mean()
    ms_t = c * ((rows - grand) ** 2).sum() / (t - 1)
    ms_c = t * ((columns - grand) ** 2).sum() / (c - 1)
    ms_e = ((values - rows[:, None] - columns + grand) ** 2).sum() / ((t - 1) * (c - 1))
    parts = components(*pair_variances(values))
    assert parts.rest == pytest.approx(ms_e)
    assert parts.training == pytest.approx((ms_t - ms_e) / c) and parts.case == pytest.approx((ms_c - ms_e) / t)
    assert mean_variance(values).total == pytest.approx((ms_t + ms_c - ms_e) / (t * c))


def test_one_training_gives_students_interval_over_cases():
    values = np.array([[0.5, 0.7, 0.9, 0.6]])
    ends = interval(matrix(values))
    low, high = stats.t.interval(0.95, 3, values.mean(), stats.sem(values[0]))
    assert (ends.low, ends.high) == pytest.approx((low, high))
    assert not ends.trainings and ends.cases
    one_case = interval(matrix(values.T))
    assert (one_case.low, one_case.high) == pytest.approx((low, high)) and one_case.trainings and not one_case.cases


def test_outer_folds_with_one_draw_give_students_interval_over_folds():
    """Every case is tested once; folds of equal size: the means of the folds are what varies."""
    rng = np.random.default_rng(0)
    folds = 0.7 + 0.1 * rng.standard_normal((4, 1)) + 0.02 * rng.standard_normal((4, 5))
    entries = [(f, (f, c), folds[f, c]) for f in range(4) for c in range(5)]
    ends = interval(ScoreMatrix.of(entries))
    expected = stats.t.interval(0.95, 3, folds.mean(), stats.sem(folds.mean(1)))
    assert (ends.low, ends.high) == pytest.approx(expected)
    single = interval(ScoreMatrix.of([(f, (f, 0), folds[f, 0]) for f in range(4)]))
    assert (single.low, single.high) == pytest.approx(
        stats.t.interval(0.95, 3, folds[:, 0].mean(), stats.sem(folds[:, 0]))
    )


def test_trainings_that_differ_make_the_interval_wide():
    rng = np.random.default_rng(0)
    same = scores(rng, 3, 40, luck=0.0)
    differing = matrix(same.values + np.array([[-0.1], [0.0], [0.1]]))
    a, b = interval(same), interval(differing)
    assert b.high - b.low > 4 * (a.high - a.low)
    # Student's with two degrees of freedom, nearly: hardly anything else varies.
    assert (b.high - b.low) / 2 == pytest.approx(stats.t.ppf(0.975, 2) * 0.1 / np.sqrt(3), rel=0.15)
    c, d = case_interval(same), case_interval(differing)
    assert d.high - d.low == pytest.approx(c.high - c.low) and not c.trainings


def test_nothing_to_say():
    assert interval(matrix(np.array([[0.5]]))) is None and case_interval(matrix(np.array([[0.5], [0.6]]))) is None
    same = interval(matrix(np.full((3, 4), 0.5)))
    assert same.low == same.high == 0.5


def test_case_interval_is_the_bootstrap_of_scipy():
    values = np.random.default_rng(5).gamma(2.0, 0.1, 200)
    ends = case_interval(matrix(values[None]), draws=5000)
    theirs = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=5000, random_state=0)
    expected = theirs.confidence_interval
    assert ends.low == pytest.approx(expected.low, abs=0.002)
    assert ends.high == pytest.approx(expected.high, abs=0.002)


def test_few_cases_get_longer_intervals_than_plain_percentiles():
    values = np.random.default_rng(5).random(8)
    ends = case_interval(matrix(values[None]), draws=5000)
    plain = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=5000, random_state=0)
    interval_ = plain.confidence_interval
    assert ends.high - ends.low > 1.1 * (interval_.high - interval_.low)


@pytest.mark.parametrize(("trainings", "cases", "spread"), [(3, 40, 0.03), (3, 50, 0.08), (5, 40, 0.0), (10, 30, 0.05)])
def test_intervals_cover_the_truth(trainings, cases, spread):
    """Of 120 synthetic studies about 95 % hold the truth; the benchmark does 1,000 of more shapes."""
    held, held_by_cases, _ = coverage(120, trainings, cases, spread)
    # Of 120 studies 95 % has a standard deviation of 2 %.
    assert held >= 0.9 and 0.88 <= held_by_cases <= 0.99
