import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunet_uad.quality.calibration import (
    Calibration,
    columns_of,
    conformal_limit,
    leaving_one_out,
    location_and_scale,
    most_called,
    sided,
)

NAMES = ("outline", "bias:0", "noise:0", "sharpness:0", "skew:0")


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=60), st.floats(0.01, 0.5))
def test_the_limit_keeps_its_promise_on_the_scores_themselves(scores, rate):
    limit, promised = conformal_limit(np.array(scores), rate)
    above = sum(score > limit for score in scores)
    assert promised >= rate and above / (len(scores) + 1) <= rate + 1e-9
    assert promised == rate or (promised == 1 / (len(scores) + 1) and above == 0)


@pytest.mark.parametrize(("count", "rate"), [(4, 0.05), (40, 0.05), (40, 0.025), (100, 0.1)])
def test_a_single_cohort_calls_no_more_than_is_said(count, rate):
    rng = np.random.default_rng(0)
    # Of uniform scores, the share above a limit is known.
    shares = [1 - conformal_limit(rng.random(count), rate)[0] for _ in range(4000)]
    for sure in (0.5, 0.95):
        assert np.mean(np.array(shares) <= most_called(count, rate, sure)) == pytest.approx(sure, abs=0.02)


@pytest.mark.parametrize("count", [20, 40])
def test_false_alarms_of_all_checks_together_are_as_promised(count):
    rng = np.random.default_rng(0)
    alarms, scans = 0, 0
    # Correlated, of heavy tails, and many scans of a second kind: what cohorts of several hospitals look like.
    for _ in range(60):
        kinds = rng.integers(0, 2, 140)[:, None]
        values = 0.1 * (rng.standard_t(4, (140, 5)) + rng.standard_normal((140, 1)) + kinds * [0, 1, 3, 0, 1])
        calibration = Calibration.of(NAMES, values[:count], 0.1)
        for row in values[count:]:
            alarms += max(scores(calibration, row).values()) > calibration.joint
        scans += 140 - count
    assert 0.05 < alarms / scans < 0.12


def scores(calibration, values):
    distances = calibration.distances(values)
    return {c: calibration.score(c, distances[k].max()) for c, k in columns_of(calibration.names).items()}


def test_ranges_are_where_the_verdict_turns():
    values = np.random.default_rng(1).normal(0, 0.2, (50, 5))
    calibration = Calibration.of(NAMES, values, 0.05)
    assert calibration.range_of("outline")[1] == math.inf and calibration.range_of("bias:0")[0] == -math.inf
    low, high = calibration.range_of("noise:0")
    for end, sign in ((low, -1), (high, 1)):
        here = np.array(NAMES) == "noise:0"
        inside, outside = (np.where(here, end + sign * d, calibration.middle) for d in (-1e-6, 1e-6))
        assert scores(calibration, inside)["noise"] < calibration.joint < scores(calibration, outside)["noise"]
    assert all(own <= calibration.joint for own in calibration.own.values())


def test_one_side_alone_counts_where_the_other_is_harmless():
    assert sided(NAMES, np.array([-2.0, -2.0, -2.0, 2.0, 0.0])).tolist() == [2.0, -2.0, 2.0, 2.0, 0.0]


def test_what_never_differs_has_the_floors_spread():
    middle, scale = location_and_scale(("voxel x",), np.zeros((9, 1)))
    assert middle.tolist() == [0] and scale.tolist() == [0.03]
    assert leaving_one_out(("voxel x",), np.zeros((9, 1)))["geometry"].tolist() == [0] * 9


def test_of_many_scans_none_is_left_out():
    values = np.random.default_rng(2).normal(size=(301, 1))
    scores = leaving_one_out(("skew:0",), values)["intensity"]
    assert scores == pytest.approx(
        np.abs(values[:, 0] - np.median(values)) / location_and_scale(("skew:0",), values)[1]
    )
