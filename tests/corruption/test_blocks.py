import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunet_uad.corruption.blocks import RandomBlocks


@settings(max_examples=30, deadline=None)
@given(blocks=st.tuples(st.integers(2, 5), st.integers(2, 5)), size=st.integers(1, 7), ratio=st.floats(0.1, 0.9))
def test_hidden_share_of_blocks_is_the_ratio(blocks, size, ratio):
    shape = [b * size for b in blocks]
    hidden = RandomBlocks((size, size), (ratio, ratio)).draw(torch.zeros(3, 2, *shape))
    assert hidden.dtype == torch.bool and hidden.shape == (3, 1, *shape)
    count = blocks[0] * blocks[1]
    expected = min(max(1, round(ratio * count)), count - 1)
    for sample in hidden:
        assert abs(int(sample.sum()) / size**2 - expected) <= 1


def test_blocks_are_whole():
    hidden = RandomBlocks((4, 4, 4), (0.5, 0.5)).draw(torch.zeros(1, 1, 16, 16, 16))[0, 0]
    blocks = hidden.unfold(0, 4, 4).unfold(1, 4, 4).unfold(2, 4, 4).flatten(3)
    assert torch.equal(blocks.all(-1), blocks.any(-1))


def test_patch_need_not_be_a_multiple_of_the_block():
    assert RandomBlocks((8, 8), (0.5, 0.5)).draw(torch.zeros(2, 1, 21, 30)).shape == (2, 1, 21, 30)


def test_partition_gives_equal_groups():
    groups = RandomBlocks((2, 2), (0.5, 0.5)).partition(torch.zeros(2, 1, 16, 16), 4, None)
    for sample in groups:
        assert torch.bincount(sample.flatten()).tolist() == [64] * 4


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="at least one voxel"):
        RandomBlocks((0, 4), (0.5, 0.5))
    with pytest.raises(ValueError, match="0 < low <= high < 1"):
        RandomBlocks((4, 4), (0.5, 1.0))
