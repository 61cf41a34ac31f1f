import numpy as np
import pytest

from nnunet_uad.metrics.boxes import bounding_box


@pytest.mark.parametrize("shape", [(7,), (5, 6), (4, 5, 6)])
def test_the_box_holds_the_mask_and_no_smaller_one_does(shape):
    mask = np.random.default_rng(1).random(shape) < 0.06
    mask[(1,) * len(shape)] = True
    box = bounding_box(mask)
    found = np.nonzero(mask)
    assert box == tuple(slice(i.min(), i.max() + 1) for i in found) and mask[box].sum() == mask.sum()


def test_the_box_of_nothing_is_empty():
    assert np.ones((3, 4))[bounding_box(np.zeros((3, 4), bool))].size == 0
