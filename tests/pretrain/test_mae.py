import pytest
import torch

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


@pytest.mark.parametrize(("ratio", "groups"), [((0.6, 0.75), 3), ((0.75, 0.75), 4), ((0.1, 0.2), 2)])
def test_passes_hide_about_as_much_as_the_training_did(ratio, groups):
    """Of g groups one is visible, so 1 − 1/g is hidden."""
    content = make_task(mask_ratio=ratio).restoration.to_json()
    assert content == {"kind": "hidden_blocks", "block_size": [8, 8], "groups": groups}
