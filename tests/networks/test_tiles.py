import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunet_uad.networks.tiles import check_grid, choose_grid, cut_tiles, join_tiles


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(1, 5)), min_size=2, max_size=3),
    st.integers(1, 3),
    st.integers(1, 3),
)
def test_joining_inverts_cutting_exactly(axes, batch, channels):
    grid, tile = [n for n, _ in axes], [e for _, e in axes]
    image = torch.randn(batch, channels, *(n * e for n, e in axes))
    tiles = cut_tiles(image, grid)
    assert tiles.shape[2:] == torch.Size(tile)
    assert torch.equal(join_tiles(tiles, grid), image)
    assert torch.equal(cut_tiles(join_tiles(tiles, grid), grid), tiles)


def test_tiles_are_where_the_eye_sees_them():
    image = torch.arange(2 * 4 * 6).view(2, 1, 4, 6)
    tiles = cut_tiles(image, (2, 3))
    assert tiles.shape == (12, 1, 2, 2)
    assert torch.equal(tiles[4, 0], image[0, 0, 2:4, 2:4]) and torch.equal(tiles[6, 0], image[1, 0, :2, :2])


def test_the_grid_follows_patch_and_stride():
    assert choose_grid((96, 96), (16, 16)) == (3, 3)
    assert choose_grid((256, 128), (32, 32)) == (4, 2)
    assert choose_grid((24, 40, 24), (4, 4, 4)) == (3, 2, 3)
    assert choose_grid((8, 32, 32), (4, 4, 4)) == (1, 4, 4)


@pytest.mark.parametrize(
    ("grid", "patch", "message"),
    [
        ((5, 3), (96, 96), r"cannot be cut into 5 x 3 tiles: on axis 0 .* divide 96 .* Possible .*: 1, 2, 3, 6"),
        ((2, 2, 2), (96, 96), r"expects 2 numbers of tiles.* found 2 x 2 x 2"),
        ((1, 1), (96, 96), r"A single tile of 96 x 96 voxels is the whole image"),
        ((2, 2), (40, 96), r"Possible numbers of tiles there: none"),
    ],
)
def test_impossible_grids_are_refused(grid, patch, message):
    with pytest.raises(ValueError, match=message):
        check_grid(grid, patch, (16, 16))
