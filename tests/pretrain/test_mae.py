import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunet_uad.common.settings import read_settings
from nnunet_uad.pretrain.mae import MAESettings, MAETask
from nnunet_uad.pretrain.task import Geometry


def make_task(**settings):
    return MAETask(MAESettings(**settings), Geometry((2.0, 2.0), (32, 32), (8, 8)))


def test_hidden_blocks_are_zero_and_only_they_count():
    clean = torch.ones(4, 2, 32, 32)
    foreground = torch.zeros(4, 1, 32, 32, dtype=torch.bool)
    foreground[:, :, :16] = True
    corrupted, weight = make_task().corrupt(clean, foreground)
    hidden = (corrupted == 0).all(1, keepdim=True)
    assert torch.equal(weight, hidden & foreground)
    assert 0.5 < hidden.float().mean() < 0.8


def test_block_follows_the_plans_stride_or_the_setting():
    assert make_task().blocks.block_size == (8, 8)
    assert make_task(block_size=4).blocks.block_size == (4, 4)
    deep = MAETask(MAESettings(), Geometry((1.0,) * 3, (128,) * 3, (32, 32, 8)))
    assert deep.blocks.block_size == (16, 16, 8)
    bottleneck = MAETask(MAESettings(largest_block=0), Geometry((1.0,) * 3, (128,) * 3, (32, 32, 8)))
    assert bottleneck.blocks.block_size == (32, 32, 8)


@pytest.mark.parametrize("chosen", [{"block_size": 32}, {"block_size": 4096}, {"largest_block": 0}])
def test_a_patch_of_one_block_is_refused(chosen):
    """All of it would be hidden."""
    with pytest.raises(ValueError, match="a patch of 32 x 32 voxels holds several, found .* fewer than 32"):
        MAETask(MAESettings(**chosen), Geometry((2.0, 2.0), (32, 32), (64, 64)))


def test_a_limit_beside_a_size_is_refused():
    with pytest.raises(ValueError, match="largest_block limits block_size=0, found block_size=8"):
        read_settings(MAESettings, "block_size=8 largest_block=16")


@settings(deadline=None, max_examples=25)
@given(
    st.sampled_from([(32, 24), (12, 24, 20)]),
    st.sampled_from([4, 8, 0]),
    st.sampled_from([(0.6, 0.75), (0.6, 0.9), (0.9, 0.9), (0.1, 0.1)]),
    st.integers(0, 10**6),
)
def test_only_hidden_foreground_counts_whatever_the_target(size, block, ratio, seed):
    """The network's answer where the patch was visible, or outside, changes no loss, and elsewhere every loss."""
    torch.manual_seed(seed)
    made = MAETask(
        MAESettings(block_size=block, mask_ratio=ratio), Geometry((1.0,) * len(size), size, (8,) * len(size))
    )
    clean, target = torch.randn(2, 2, 2, *size) + 10
    foreground = torch.rand(2, 1, *size) < 0.8

    def loss(shift):
        torch.manual_seed(seed)
        return float(made.step_towards(target, lambda corrupted: corrupted + shift, clean, foreground).loss)

    torch.manual_seed(seed)
    corrupted, weight = made.corrupt(clean, foreground)
    assert torch.equal(weight, (corrupted == 0).all(1, keepdim=True) & foreground) and weight.any()
    error = (corrupted - target) ** 2
    assert loss(0.0) == pytest.approx(float(error[weight.expand_as(error)].mean()), rel=1e-5)
    assert loss(torch.where(weight, 0.0, 100.0)) == loss(0.0) != loss(weight.float())


@pytest.mark.parametrize(("ratio", "groups"), [((0.6, 0.75), 3), ((0.75, 0.75), 4), ((0.1, 0.2), 2)])
def test_passes_hide_about_as_much_as_the_training_did(ratio, groups):
    """Of g groups one is visible, so 1 − 1/g is hidden."""
    content = make_task(mask_ratio=ratio).restoration.to_json()
    assert content == {"kind": "hidden_blocks", "block_size": [8, 8], "groups": groups}
