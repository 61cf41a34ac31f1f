import numpy as np
import pytest
import torch

from nnunet_uad.restoration.hidden_blocks import HiddenBlocks

BLOCKS = HiddenBlocks((8, 8), 3)


def test_reconstruction_uses_only_passes_in_which_the_voxel_was_hidden():
    """A network that copies its input knows nothing of hidden voxels: the answer must be 0 everywhere."""
    image = torch.randn(1, 2, 32, 32)
    groups = torch.from_numpy(BLOCKS.draw_for_volume(np.ones((1, 32, 32), bool), 1, 2, seed=3))[0].expand(1, 1, 32, 32)
    assert float(BLOCKS.reconstruct(torch.nn.Identity(), image, groups).abs().max()) == 0

    class Constant(torch.nn.Module):
        def forward(self, x):
            return torch.full_like(x, 5.0)

    assert torch.allclose(BLOCKS.reconstruct(Constant(), image, groups), torch.full_like(image, 5.0))


@pytest.mark.parametrize("shape", [(5, 30, 33), (1, 8, 8)])
def test_groups_of_a_volume_repeat_with_the_seed_and_differ_between_slices(shape):
    first, again, other = (BLOCKS.draw_for_volume(np.ones(shape, bool), 1, 2, s) for s in (1, 1, 2))
    assert first.shape == (1, *shape) and np.array_equal(first, again)
    if shape[0] > 1:
        assert not np.array_equal(first, other) and not np.array_equal(first[0, 0], first[0, 1])


class Mean(torch.nn.Module):
    """Says of every voxel the mean of what is visible."""

    def forward(self, x):
        return x.mean(dim=(2, 3), keepdim=True).expand_as(x)


def test_the_mean_over_the_passes_against_a_loop_over_voxels():
    """Voxel by voxel: the mean of the answers of those passes in which its group was not the visible one."""
    image, group = torch.randn(1, 2, 16, 16), BLOCKS.draw(torch.empty(1, 2, 16, 16))
    answers = [Mean()(torch.where(group == k, image, 0.0)) for k in range(3)]
    expected = torch.empty_like(image)
    for y in range(16):
        for x in range(16):
            hiding = [answers[k][..., y, x] for k in range(3) if k != int(group[0, 0, y, x])]
            expected[..., y, x] = torch.stack(hiding).mean(0)
    assert torch.allclose(BLOCKS.reconstruct(Mean(), image, group), expected, atol=1e-6)


def test_groups_are_whole_blocks_of_equal_number_and_the_same_in_all_channels():
    group = HiddenBlocks((4, 4), 4).draw(torch.empty(2, 3, 16, 16), torch.Generator().manual_seed(0))
    assert group.shape == (2, 1, 16, 16) and group.dtype == torch.float32
    blocks = group.unfold(2, 4, 4).unfold(3, 4, 4).flatten(4)
    assert torch.equal(blocks.amin(-1), blocks.amax(-1))
    for sample in group:
        assert torch.bincount(sample.flatten().long()).tolist() == [64] * 4


def test_the_description_holds_the_arguments():
    content = HiddenBlocks((8, 4, 4), 5).to_json()
    assert content == {"kind": "hidden_blocks", "block_size": [8, 4, 4], "groups": 5}
    assert HiddenBlocks(**{k: v for k, v in content.items() if k != "kind"}).to_json() == content
