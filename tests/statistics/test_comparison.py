import numpy as np
import pytest
from scipy import stats
from statistics_truth import false_positives, matrix

from nnunet_uad.statistics.comparison import Comparison, compare, holm, is_clear, wilcoxon
from nnunet_uad.statistics.intervals import Interval
from nnunet_uad.statistics.matrix import ScoreMatrix


def test_wilcoxon_and_effect_by_hand():
    differences = np.array([0.3, -0.1, 0.2, 0.4, 0.0])
    p, effect = wilcoxon(differences)
    assert p == stats.wilcoxon([0.3, -0.1, 0.2, 0.4]).pvalue == 0.25
    # Ranks 3, 1, 2, 4: (3 + 2 + 4 - 1) / 10.
    assert effect == pytest.approx(0.8)
    assert np.isnan(wilcoxon(np.zeros(5))).all() and np.isnan(wilcoxon(np.array([0.1]))).all()
    assert wilcoxon(np.array([0.1, 0.2]))[1] == 1


def test_holm_by_hand():
    # Sorted 0.01, 0.02, 0.04: times 3, 2, 1, never below an earlier one.
    assert holm([0.04, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.9, 0.8]) == pytest.approx([1.0, 1.0])
    corrected = holm([0.01, float("nan"), 0.03])
    assert corrected[0] == pytest.approx(0.02) and np.isnan(corrected[1]) and corrected[2] == pytest.approx(0.03)
    assert holm([]) == []


def test_several_trainings_are_not_several_patients():
    rng = np.random.default_rng(0)
    case = rng.normal(0.01, 0.02, 12)
    base = matrix(np.full((1, 12), 0.5))
    once = compare(matrix((0.5 + case)[None]), base)
    often = compare(matrix(np.tile(0.5 + case, (5, 1))), matrix(np.full((5, 12), 0.5)))
    assert once.p == often.p == stats.wilcoxon(case).pvalue
    assert once.cases == often.cases == 12 and often.trainings == 5
    assert once.better == pytest.approx((case > 0).mean()) and once.difference == pytest.approx(case.mean())
    assert compare(matrix(np.ones((1, 2))), ScoreMatrix.of([((9, 9), (0, 0), 1.0)])) is None


def test_clear_needs_both():
    def comparison(low, high, trainings=True):
        return Comparison(0.1, Interval(low, high, trainings), 0.001, 1.0, 1.0, 40, 3)

    assert is_clear(comparison(0.01, 0.2), 0.01) and is_clear(comparison(-0.2, -0.01), 0.01)
    assert not is_clear(comparison(-0.01, 0.2), 0.01)
    assert not is_clear(comparison(0.01, 0.2), 0.06)
    assert not is_clear(comparison(0.01, 0.2), float("nan"))
    assert not is_clear(comparison(0.01, 0.2, trainings=False), 0.01)


def test_false_positives_where_trainings_have_no_luck():
    plain, family, clear, _ = false_positives(120, 3, 40, 0.0)
    # 5 % of 120 studies has a standard deviation of 2 %.
    assert plain <= 0.09 and family <= 0.11 and clear <= 0.02


def test_false_positives_where_trainings_have_luck():
    """The rank test over cases calls the luck of three trainings a difference; the verdict does not."""
    _, family, clear, _ = false_positives(80, 3, 40, 0.03)
    assert family > 0.5 and clear <= 0.1
