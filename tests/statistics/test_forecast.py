import numpy as np
import pytest
from forecast_truth import NOISES, SHAPES, Noise, line, power_law, study
from statistics_truth import matrix

from nnunet_uad.statistics.forecast import FARTHEST, Withheld, forecast

BUDGETS = (1, 2, 5, 10)
QUIET = Noise(0.01, 0.5, 0.02, 0.9, 0.02)
STEEP = power_law(0.9, 0.5, 0.5)


def made(curve=STEEP, budgets=BUDGETS, target=None, noise=QUIET, trainings=5):
    return forecast(budgets, study(np.random.default_rng(0), curve, budgets, trainings, 30, noise), target)


def test_a_quiet_curve_is_carried_on():
    result = made(target=STEEP(15))
    assert result.withheld is result.gain.withheld is result.needed.withheld is None
    assert (result.largest, result.more) == (10, 10)
    assert result.gain.low <= STEEP(20) - STEEP(10) <= result.gain.high
    assert result.gain.low <= result.gain.value <= result.gain.high
    assert result.needed.low <= 15 <= result.needed.high <= FARTHEST * 10
    assert result.needed.low <= result.needed.value <= result.needed.high


def test_the_band_starts_at_the_largest_budget_and_ends_where_trust_does():
    band = made().band
    assert band.amounts[0] == pytest.approx(10) and band.amounts[-1] == pytest.approx(10 * FARTHEST)
    assert (band.low <= band.scores).all() and (band.scores <= band.high).all() and (np.diff(band.scores) > 0).all()
    assert made().needed is None


def test_nothing_is_forecast_of_too_little():
    rng = np.random.default_rng(0)
    assert forecast((), ()).withheld is Withheld.FEW_BUDGETS
    assert made(budgets=(1, 10)).withheld is Withheld.FEW_BUDGETS
    # Everything that there is may be as much as a budget.
    assert made(budgets=(1, 10, 10)).withheld is Withheld.FEW_BUDGETS
    assert made(trainings=2).withheld is Withheld.FEW_TRAININGS
    assert forecast(BUDGETS, study(rng, STEEP, BUDGETS, 5, 1, QUIET)).withheld is Withheld.FEW_CASES
    assert made(power_law(0.7, 0.0, 1.0)).withheld is Withheld.NO_GAIN
    assert made(power_law(0.7, -0.2, 1.0)).withheld is Withheld.NO_GAIN


def test_trainings_that_a_budget_lacks_are_left_out_everywhere():
    full = [np.full((4, 6), score) + 0.01 * np.arange(6) for score in (0.4, 0.6, 0.7, 0.75)]
    scores = [matrix(values) for values in full]
    scores[0] = scores[0].restricted({0, 1})
    assert forecast(BUDGETS, scores).withheld is Withheld.FEW_TRAININGS


def test_what_the_curve_does_not_bear_is_withheld():
    flat = power_law(0.7, 0.3, 1.5)
    assert made(flat, target=0.8).needed.withheld is Withheld.ABOVE_ASYMPTOTE
    assert made(target=STEEP(300)).needed.withheld in (Withheld.TOO_FAR, Withheld.ABOVE_ASYMPTOTE)
    loud = made(noise=Noise(0.12, 0.0, 0.1, 0.5, 0.1), target=STEEP(12))
    assert loud.withheld or loud.needed.withheld


def test_a_target_within_the_budgets_is_interpolated():
    needed = made(target=STEEP(4)).needed
    assert needed.low <= 4 <= needed.high < 10 and needed.withheld is None


def test_studies_like_the_real_ones_are_rarely_told_something_wrong():
    tally = line(60, "power law", SHAPES[2], NOISES["hippocampus"], 2.0)
    assert tally.studies == 60 and len(tally.gains) > 40
    assert np.mean(tally.gains) > 0.88 and tally.needs.count(False) <= 4
