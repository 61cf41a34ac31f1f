import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from nnunet_uad.metrics.segmentation import (
    CASE_METRICS,
    COUNTED,
    FALSE_POSITIVES,
    LESION_RECALL,
    POOLED_METRICS,
    PRIMARY,
    SegmentedCase,
    add_counts,
    count,
    measure,
    metrics,
)


def a_case(seed=0, ignored=False, **changes):
    """Labels 0 to 2, a segmentation that is wrong in a quarter of the voxels, and probabilities that know it."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, (4, 6, 5))
    segmentation = np.where(rng.random(truth.shape) < 0.75, truth, 0)
    known = np.ones(truth.shape, bool)
    known[0] = not ignored
    probability = np.clip(0.6 * (truth > 0) + 0.4 * rng.random(truth.shape), 0, 1).astype(np.float32)
    case = {"segmentation": segmentation, "truth": truth, "probability": probability, "known": known}
    return SegmentedCase(**{**case, "spacing": (3.0, 1.0, 1.0), "dice_per_class": {"1": 0.5, "2": None}, **changes})


def test_the_rows_have_unique_names_and_the_primary_comes_first():
    rows = metrics()
    assert rows[0] is PRIMARY and rows == (*CASE_METRICS, *POOLED_METRICS)
    for name in ("key", "label", "column"):
        assert len({getattr(row, name) for row in rows}) == len(rows)
    assert {row.better for row in rows} == {"higher", "lower"} and FALSE_POSITIVES.sign == -1


def test_dice_is_the_mean_over_the_classes_that_there_are():
    assert measure(a_case())["Dice"] == 0.5
    assert measure(a_case(dice_per_class={"1": 0.5, "2": 0.7}))["Dice"] == pytest.approx(0.6)
    assert measure(a_case(dice_per_class={"1": None}))["Dice"] is None


@pytest.mark.parametrize("ignored", [False, True])
def test_without_common_classes_foreground_is_compared_with_foreground(ignored):
    case = a_case(ignored=ignored, dice_per_class=None)
    first = 1 if ignored else 0
    predicted, true = case.segmentation[first:] > 0, case.truth[first:] > 0
    assert measure(case)["Dice"] == pytest.approx(2 * (predicted & true).sum() / (predicted.sum() + true.sum()))
    assert case.positive.sum() == true.sum() and case.predicted.sum() == predicted.sum()


@pytest.mark.parametrize("ignored", [False, True])
def test_average_precision_is_that_of_scikit_learn(ignored):
    case = a_case(ignored=ignored)
    expected = average_precision_score((case.truth > 0)[case.known], case.probability[case.known])
    assert measure(case)["AP"] == pytest.approx(expected, abs=1e-3)


def test_nothing_to_find_is_undefined_and_not_zero():
    nothing = np.zeros((4, 6, 5), int)
    assert measure(a_case(truth=nothing, segmentation=nothing, dice_per_class=None)) == {"Dice": None, "AP": None}


def test_counts_of_cases_are_summed_before_they_are_divided():
    """Two scans: one lesion found of one, none of one; a finding elsewhere in the second."""
    left, right = np.zeros((1, 4, 9), int), np.zeros((1, 4, 9), int)
    left[0, :2, :2] = right[0, 2:, 7:] = 1
    total = {}
    for case in (a_case(truth=left, segmentation=left), a_case(truth=left, segmentation=right)):
        flat = np.full(left.shape, 0.4, np.float32)
        add_counts(total, count(SegmentedCase(case.segmentation, case.truth, flat, flat > 0, (1.0, 1.0, 1.0))))
    assert LESION_RECALL.of(total) == 0.5 and FALSE_POSITIVES.of(total) == 0.5
    error = next(m for m in POOLED_METRICS if m.key == "calibration_error")
    assert error.of(total) == pytest.approx(abs(0.4 - 8 / 72))
    assert set(total) == set(COUNTED)


def test_pooled_metrics_of_nothing_are_undefined():
    assert all(math.isnan(metric.of({})) for metric in POOLED_METRICS)
