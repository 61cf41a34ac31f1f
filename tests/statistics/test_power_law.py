import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import curve_fit

from nnunet_uad.statistics.power_law import EXPONENTS, PowerLaws, fit_power_laws

AMOUNTS = np.array([1.0, 2.0, 5.0, 10.0, 20.0])


def law(n, asymptote, drop, exponent):
    return asymptote - drop * n**-exponent


@settings(max_examples=50, deadline=None)
@given(st.floats(0.3, 1), st.floats(0.05, 0.3), st.floats(0.2, 2))
def test_a_curve_without_noise_is_found(asymptote, drop, exponent):
    fit = fit_power_laws(AMOUNTS, law(AMOUNTS, asymptote, drop, exponent)[None], np.ones(5))
    # As fine as the exponents that are tried.
    assert fit.at(40)[0] == pytest.approx(law(40, asymptote, drop, exponent), abs=0.01)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=3, max_size=3), st.lists(st.floats(0.01, 100), min_size=3, max_size=3))
def test_curves_rise_and_stay_below_one(scores, weights):
    fit = fit_power_laws(AMOUNTS[:3], np.array([scores]), np.array(weights))
    assert fit.asymptote[0] <= 1 and fit.drop[0] >= 0 and EXPONENTS[0] <= fit.exponent[0] <= EXPONENTS[-1]
    assert fit.at(1)[0] <= fit.at(7)[0] <= fit.at(1e6)[0] <= 1


def test_no_worse_than_scipy():
    """SciPy's weighted least squares, with the same bounds, from a good start."""
    rng = np.random.default_rng(0)
    sigma = np.array([0.06, 0.05, 0.03, 0.02, 0.02])
    scores = law(AMOUNTS, 0.85, 0.35, 0.6) + sigma * rng.standard_normal((30, 5))
    ours = fit_power_laws(AMOUNTS, scores, sigma**-2)
    bounds = ([-np.inf, 0, EXPONENTS[0]], [1, np.inf, EXPONENTS[-1]])
    for k, values in enumerate(scores):
        (a, b, c), _ = curve_fit(law, AMOUNTS, values, p0=(0.85, 0.35, 0.6), sigma=sigma, bounds=bounds, maxfev=5000)
        own = (((values - law(AMOUNTS, ours.asymptote[k], ours.drop[k], ours.exponent[k])) / sigma) ** 2).sum()
        theirs = (((values - law(AMOUNTS, a, b, c)) / sigma) ** 2).sum()
        assert own <= theirs + 0.05


def test_a_curve_may_begin_later():
    # Half of its rise at three labels: a − b / (n + 3), which no power law follows.
    scores = law(AMOUNTS + 3, 0.85, 1.35, 1.0)
    late, early = (fit_power_laws(AMOUNTS, scores[None], np.ones(5), shift) for shift in (3.0, 0.0))
    assert late.at(40)[0] == pytest.approx(law(43, 0.85, 1.35, 1.0), abs=0.01)
    assert late.needed(late.at(40)[0])[0] == pytest.approx(40) and early.at(40)[0] > late.at(40)[0]
    both = PowerLaws.joined([early, late])
    assert both.at(40).tolist() == [early.at(40)[0], late.at(40)[0]]


def test_a_falling_curve_is_flat():
    fit = fit_power_laws(AMOUNTS, np.linspace(0.8, 0.6, 5)[None], np.ones(5))
    assert fit.drop[0] == 0 and fit.asymptote[0] == pytest.approx(0.7)
    # Any amount reaches what a flat curve has, none more.
    assert fit.needed(0.65)[0] == 0 and np.isinf(fit.needed(0.71))[0]
