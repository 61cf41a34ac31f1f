import numpy as np

from nnunet_uad.metrics.bootstrap import intervals, mean_interval, resamples


def test_resamples_have_as_many_cases():
    drawn = resamples(7, 100)
    assert drawn.shape == (100, 7) and (drawn.sum(1) == 7).all()
    assert np.array_equal(drawn, resamples(7, 100))


def test_one_case_has_no_interval():
    assert intervals(1, lambda w: np.zeros(1)) is None
    assert mean_interval([0.5]) is None and mean_interval([0.5, float("nan")]) is None


def test_undefined_resamples_are_left_out():
    ends = intervals(3, lambda w: np.array([np.nan, 2.0 if w[0] else np.nan]))
    assert ends == [None, (2.0, 2.0)]


def test_the_interval_holds_the_true_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        low, high = mean_interval(rng.normal(3.0, 1.0, 30).tolist(), draws=300)
        hits += low <= 3.0 <= high
    # The percentile bootstrap of 30 cases is a little too narrow: 93 to 95 %.
    assert 0.88 <= hits / 200 <= 0.99


def test_equal_resamples_are_measured_once_and_count_as_often_as_they_are_drawn():
    values, asked = np.array([0.1, 0.5, 0.9]), []

    def mean(weights: np.ndarray) -> np.ndarray:
        asked.append(tuple(weights))
        return np.array([weights @ values / 3])

    ends = intervals(3, mean)
    every = resamples(3) @ values / 3
    assert len(asked) == len(set(asked)) <= 10
    np.testing.assert_allclose(ends[0], np.quantile(every, [0.025, 0.975]), rtol=1e-12)
