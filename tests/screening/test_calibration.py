import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunet_uad.common.schema import build
from nnunet_uad.screening.calibration import Calibration, HealthyVoxels, RateCheck, combined
from nnunet_uad.screening.explained import explained, unknown

SPACING, MARGIN = (2.0, 1.0, 1.0), 1.5
SHAPE = (6, 12, 12)


def scans(seed, count=3, tied=False):
    """Maps, segmentations and healthy masks by case; scans differ in their level, and one has small foreground."""
    rng = np.random.default_rng(seed)
    found = {}
    for index in range(count):
        scores = rng.gamma(2, 0.3 + 0.1 * index, SHAPE).astype(np.float32)
        scores[:, : 4 * (index % 2)] = 0
        known = rng.random(SHAPE) < 0.01
        healthy = (scores > 0) & (rng.random(SHAPE) > 0.05)
        found[f"case_{index}"] = (np.round(scores, 1) if tied else scores, known, healthy)
    return found


def counted(cases):
    return {case: HealthyVoxels.of(*masks, SPACING, MARGIN) for case, masks in cases.items()}


def rate_of(scores, known, healthy, threshold):
    called = unknown(scores, explained(known, SPACING, MARGIN), threshold)
    return (called & healthy).sum() / healthy.sum()


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.3, 0.05, 0.01, 1e-3, 1e-6]), st.booleans())
def test_the_promised_rate_holds_where_it_was_measured(seed, rate, tied):
    """Voxels are counted on the maps themselves: the threshold keeps the promise, and wastes little of it."""
    cases = scans(seed, tied=tied)
    calibration = Calibration.of(counted(cases), MARGIN)
    threshold = calibration.threshold(rate)
    rates = {case: rate_of(*masks, threshold) for case, masks in cases.items()}
    assert np.mean(list(rates.values())) <= rate
    lower = np.mean([rate_of(*masks, threshold - 0.11 if tied else 0.97 * threshold) for masks in cases.values()])
    assert rate < 0.05 or lower > 0.95 * rate
    for case, voxels in counted(cases).items():
        assert voxels.rate(threshold) == pytest.approx(rates[case])


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_the_combined_map_keeps_the_order_of_the_map(seed):
    cases = scans(seed)
    calibration = Calibration.of(counted(cases), MARGIN)
    highest = max(scores.max() for scores, _, _ in cases.values())
    values = np.linspace(0, 3 * highest, 500, dtype=np.float32)
    tail = calibration.tail(values)
    assert tail[0] == 0 and (np.diff(tail) >= 0).all() and np.isfinite(tail).all()
    beyond = tail[values > highest]
    assert (np.diff(beyond) > 0).all() and beyond[-1] <= -np.log10(calibration.rates[-1] / 2) + 1e-5
    score = calibration.scores[len(calibration.scores) // 2]
    assert calibration.tail(np.array([score]))[0] == pytest.approx(
        -np.log10(calibration.rates[len(calibration.scores) // 2]), abs=1e-5
    )
    known = combined(values, np.ones(values.shape, bool), calibration)
    np.testing.assert_allclose(known - tail, np.minimum(tail, -np.log10(calibration.marked)), atol=1e-5)
    assert (np.diff(known[values > highest]) > 0).all()
    np.testing.assert_array_equal(combined(values, np.zeros(values.shape, bool), calibration), tail)


def test_wrong_marks_are_shares_of_healthy_voxels_and_never_nothing():
    scores, healthy, none = np.ones((1, 10), np.float32), np.ones((1, 10), bool), np.zeros((1, 10), bool)
    never = HealthyVoxels.of(scores, none, healthy, (1, 1), 0)
    twice = HealthyVoxels.of(scores, np.arange(10)[None] < 2, healthy, (1, 1), 0)
    assert Calibration.of({"a": never}, 0).marked == 0.5 / 10
    large = HealthyVoxels.of(np.ones((1, 40)), np.zeros((1, 40), bool), np.ones((1, 40), bool), (1, 1), 0)
    assert Calibration.of({"a": large, "b": twice}, 0).marked == pytest.approx(0.1), "every scan counts the same"
    half_in_one_scan = (0.5 / 10 + 0.5 / 40) / 2 / 2
    assert Calibration.of({"a": large, "b": never}, 0).marked == pytest.approx(half_in_one_scan)


def test_a_rate_below_one_voxel_is_kept_by_a_threshold_above_all():
    cases = scans(0)
    calibration = Calibration.of(counted(cases), MARGIN)
    threshold = calibration.threshold(1e-9)
    assert all(rate_of(*masks, threshold) == 0 for masks in cases.values()) and np.isfinite(threshold)
    with pytest.raises(ValueError, match=r"expects a number in \(0, 1\), found 1"):
        calibration.threshold(1)


def test_every_case_is_checked_without_its_own_voxels():
    """A scan three times as bright as the others breaks the promise, and the check says so."""
    cases = scans(1, count=4)
    bright, known, healthy = cases["case_0"]
    cases["case_0"] = (3 * bright, known, healthy)
    voxels = counted(cases)
    check = RateCheck.leaving_one_out(voxels, MARGIN, 0.01)
    others = Calibration.of({c: v for c, v in voxels.items() if c != "case_0"}, MARGIN).threshold(0.01)
    assert check.rates["case_0"] == pytest.approx(rate_of(*cases["case_0"], others)) and check.rates["case_0"] > 0.05
    found = check.summary()
    assert found["least"] <= found["mean"] <= found["greatest"] == check.rates["case_0"]
    assert "Promised: 1 %" in check.in_words() and "on 4 scans" in check.in_words()
    with pytest.raises(ValueError, match="two cases or more, found 1"):
        RateCheck.leaving_one_out({"a": voxels["case_1"]}, MARGIN, 0.01)


def test_files_hold_all_of_it():
    calibration = Calibration.of(counted(scans(2)), MARGIN)
    stored = json.loads(json.dumps(dataclasses.asdict(calibration)))
    assert build(Calibration, stored, "calibration.json") == calibration
    with pytest.raises(ValueError, match="scores expect numbers that ascend"):
        build(Calibration, {**stored, "scores": stored["scores"][::-1]}, "calibration.json")


def test_what_cannot_calibrate_is_refused():
    scores, none, every = np.ones((2, 3), np.float32), np.zeros((2, 3), bool), np.ones((2, 3), bool)
    with pytest.raises(ValueError, match="no voxel is healthy"):
        HealthyVoxels.of(scores, none, none, (1, 1), 0)
    with pytest.raises(ValueError, match="expected the same"):
        HealthyVoxels.of(scores, none[:1], every, (1, 1), 0)
    with pytest.raises(ValueError, match="explain all of them"):
        Calibration.of({"a": HealthyVoxels.of(scores, every, every, (1, 1), 0)}, 0)
    calibration = Calibration.of({"a": HealthyVoxels.of(scores, none, every, (1, 1), 0)}, 0)
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(3, 2\)"):
        combined(scores, none.T, calibration)
