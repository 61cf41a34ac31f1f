import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@given(st.lists(st.lists(st.integers(0, 2), min_size=6, max_size=6), min_size=2, max_size=4))
def test_it_is_a_share_whatever_the_order_and_1_for_copies(labels):
    masks = [np.array(row).reshape(1, 2, 3) for row in labels]
    value = pairwise_dice(masks)
    assert 0 <= value <= 1 and pairwise_dice(masks[::-1]) == pytest.approx(value)
    assert pairwise_dice([masks[0], masks[0]]) == 1
