import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from nnunet_uad.choosing.rule import ALPHA, SHARE, decide, keep, overlap_factor

GAINS = st.lists(st.floats(-0.5, 0.5), min_size=2, max_size=5)


def test_two_folds_share_no_training_case_and_are_judged_by_students_t():
    decision = decide([0.10, 0.14], arms=1)
    low, high = stats.t.interval(1 - 2 * ALPHA, 1, 0.12, 0.02)
    assert (decision.low, decision.high) == (pytest.approx(low), pytest.approx(high))
    assert not decision.use and decision.gain == pytest.approx(0.12) and decision.folds == 2


def test_with_the_share_of_nadeau_and_bengio_the_factor_is_theirs():
    folds = 5
    correlation = SHARE * (folds - 2) / (folds - 1)
    assert overlap_factor(folds) == pytest.approx((1 + 4 * correlation) / (1 - correlation))
    # Theirs with a correlation of 1/K: (1/K + 1/(K − 1)) · K.
    assert pytest.approx((1 / 5 + 1 / 4) * 5) == (1 + 4 / 5) / (1 - 1 / 5)


@given(GAINS, st.integers(1, 8))
def test_an_arm_is_used_only_where_its_interval_is_above_nothing(gains, arms):
    decision = decide(gains, arms)
    assert decision.low <= decision.gain <= decision.high
    # The lower end is cut at -1, the decision is not.
    assert decision.use == (decision.low > 0)
    assert not (decision.use and np.mean(gains) <= 0)


@given(GAINS, st.integers(1, 7))
def test_one_arm_more_makes_it_harder(gains, arms):
    assert decide(gains, arms + 1).low <= decide(gains, arms).low


def test_a_single_fold_is_refused():
    with pytest.raises(ValueError, match="at least 2 inner folds, found 1"):
        decide([0.1], arms=1)


def test_of_equals_the_first_goes_on():
    assert keep({"a": 0.1, "b": 0.1, "c": 0.1}, 2) == ["a", "b"]
    assert keep({"a": -0.1, "b": 0.1, "c": 0.3}, 2) == ["b", "c"]
