import numpy as np
import pytest

from nnunet_uad.metrics.agreement import pairwise_dice


def test_worked_by_hand():
    one, other, third = np.array([0, 1, 1, 2]), np.array([0, 1, 0, 2]), np.array([0, 0, 0, 0])
    assert pairwise_dice([one, other]) == pytest.approx((2 / 3 + 1) / 2)
    assert pairwise_dice([one, third]) == 0
    assert pairwise_dice([third, third]) == 1
    assert pairwise_dice([one, other, third]) == pytest.approx((5 / 6) / 3)


def test_a_class_that_one_alone_marks_counts():
    assert pairwise_dice([np.array([1, 1]), np.array([1, 2])]) == pytest.approx((2 / 3 + 0) / 2)


def test_one_has_nobody_to_agree_with():
    with pytest.raises(ValueError, match="at least two segmentations, found 1"):
        pairwise_dice([np.zeros(3)])
