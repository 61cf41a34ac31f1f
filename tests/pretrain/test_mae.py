import numpy as np
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


def test_reconstruction_uses_only_passes_in_which_the_voxel_was_hidden():
    """A network that copies its input knows nothing of hidden voxels: the answer must be 0 everywhere."""
    restoration = make_task().restoration
    image = torch.randn(1, 2, 32, 32)
    groups = torch.from_numpy(restoration.draw_for_volume(np.ones((1, 32, 32), bool), 1, 2, seed=3))[0].expand(
        1, 1, 32, 32
    )
    assert float(restoration.reconstruct(torch.nn.Identity(), image, groups).abs().max()) == 0

    class Constant(torch.nn.Module):
        def forward(self, x):
            return torch.full_like(x, 5.0)

    assert torch.allclose(restoration.reconstruct(Constant(), image, groups), torch.full_like(image, 5.0))


@pytest.mark.parametrize("shape", [(5, 30, 33), (1, 8, 8)])
def test_groups_of_a_volume_repeat_with_the_seed_and_differ_between_slices(shape):
    first, again, other = (make_task().restoration.draw_for_volume(np.ones(shape, bool), 1, 2, s) for s in (1, 1, 2))
    assert first.shape == (1, *shape) and np.array_equal(first, again)
    if shape[0] > 1:
        assert not np.array_equal(first, other) and not np.array_equal(first[0, 0], first[0, 1])
