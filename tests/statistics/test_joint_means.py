import numpy as np
import pytest
from statistics_truth import matrix, scores

from nnunet_uad.statistics.intervals import interval
from nnunet_uad.statistics.joint_means import drawn_means, influences, mean_variances
from nnunet_uad.statistics.matrix import ScoreMatrix


def test_influences_are_deviations_of_means():
    own = matrix(np.array([[0.4, 0.6], [0.6, 0.8]]))
    assert influences([own], by_training=True)[:, 0] == pytest.approx([-0.05, 0.05])
    assert influences([own], by_training=False)[:, 0] == pytest.approx([-0.05, 0.05])
    # Variances of two means of two, each s²/n with s² = 0.02 between trainings and between cases.
    assert mean_variances([own])[0] == pytest.approx(0.01 + 0.01)


def test_groups_may_lack_trainings_and_cases():
    whole = matrix(np.array([[0.4, 0.6, 0.5], [0.6, 0.8, 0.7]]))
    part = ScoreMatrix((1,), (0, 2), np.array([[0.6, np.nan]]))
    u = influences([whole, part], by_training=False)
    assert u.shape == (3, 2) and u.sum(0) == pytest.approx([0, 0]) and u[1:, 1] == pytest.approx([0, 0])


@pytest.mark.parametrize(("trainings", "cases", "luck"), [(3, 40, 0.05), (5, 30, 0.02), (4, 25, 0.0)])
def test_a_single_group_has_the_interval_of_the_tables(trainings, cases, luck):
    own = scores(np.random.default_rng(2), trainings, cases, luck)
    low, high = np.quantile(drawn_means([own], 20000)[:, 0], [0.025, 0.975])
    known = interval(own)
    # The rest, counted twice, makes it wider, never by much.
    assert 0.95 <= (high - low) / (known.high - known.low) < 1.25
    assert (low + high) / 2 == pytest.approx(own.mean, abs=0.004)


def test_cases_of_outer_folds_count_once():
    """Every case is tested by one training, whose deviation holds those of its cases."""
    values = np.full((4, 12), np.nan)
    for fold in range(4):
        values[fold, 3 * fold : 3 * fold + 3] = 0.5 + 0.1 * fold + np.array([-0.05, 0.0, 0.05])
    own = matrix(values)
    low, high = np.quantile(drawn_means([own], 20000)[:, 0], [0.025, 0.975])
    known = interval(own)
    assert (high - low) / (known.high - known.low) == pytest.approx(1, abs=0.1)


def test_what_groups_share_cancels_in_their_difference():
    rng = np.random.default_rng(0)
    luck, case = 0.1 * rng.standard_normal((4, 1)), 0.2 * rng.standard_normal((1, 30))
    drawn = drawn_means([matrix(0.5 + luck + case), matrix(0.6 + luck + case)], 500)
    assert drawn[:, 1] - drawn[:, 0] == pytest.approx(np.full(500, 0.1))
