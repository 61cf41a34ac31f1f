import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunet_uad.corruption.coarse_noise import CoarseNoise


@settings(max_examples=15, deadline=None)
@given(
    shape=st.one_of(st.tuples(*[st.integers(4, 40)] * 2), st.tuples(*[st.integers(4, 12)] * 3)),
    spacing=st.floats(0.3, 5),
    cell_voxels=st.floats(0.2, 30),
    channels=st.integers(1, 4),
)
def test_noise_has_the_shape_of_the_image_at_any_geometry(shape, spacing, cell_voxels, channels):
    cell = cell_voxels * spacing
    noise = CoarseNoise([spacing] * len(shape), (cell, cell * 1.5), (0.5, 1.0))
    drawn = noise.draw(torch.zeros(2, channels, *shape))
    assert drawn.shape == (2, channels, *shape)
    assert torch.isfinite(drawn).all()


@pytest.mark.parametrize("cell_mm", [8.0, 16.0])
def test_correlation_length_is_in_millimetres(cell_mm):
    """Two grids of different spacing give the same correlation at the same distance in mm."""
    measured = []
    for spacing in (1.0, 2.0):
        size = int(256 / spacing)
        noise = CoarseNoise((spacing, spacing), (cell_mm, cell_mm), (1.0, 1.0)).draw(torch.zeros(24, 1, size, size))
        shift = int(cell_mm / 2 / spacing)
        a, b = noise[..., shift:].flatten().numpy(), noise[..., :-shift].flatten().numpy()
        measured.append(np.corrcoef(a, b)[0, 1])
        far = int(cell_mm * 3 / spacing)
        distant = np.corrcoef(noise[..., far:].flatten().numpy(), noise[..., :-far].flatten().numpy())[0, 1]
        assert abs(distant) < 0.1
    assert measured[0] == pytest.approx(measured[1], abs=0.05)
    assert measured[0] > 0.5


def test_anisotropic_spacing_gives_isotropic_cells_in_mm():
    noise = CoarseNoise((4.0, 1.0, 1.0), (16.0, 16.0), (1.0, 1.0)).draw(torch.zeros(8, 1, 32, 96, 96))
    across = np.corrcoef(noise[:, :, 2:].flatten().numpy(), noise[:, :, :-2].flatten().numpy())[0, 1]
    within = np.corrcoef(noise[..., 8:].flatten().numpy(), noise[..., :-8].flatten().numpy())[0, 1]
    assert across == pytest.approx(within, abs=0.06)


def test_standard_deviation_at_the_nodes_is_drawn_from_the_range():
    """With cells of one voxel there is no averaging between nodes: the std is that of the nodes."""
    noise = CoarseNoise((1.0, 1.0), (1.0, 1.0), (0.5, 1.5)).draw(torch.zeros(200, 1, 64, 64))
    per_sample = noise.std(dim=(1, 2, 3))
    assert 0.48 < per_sample.min() < 0.6
    assert 1.4 < per_sample.max() < 1.55


def test_offset_is_not_fixed():
    """The grid's nodes, where the variance peaks, must not sit at the same voxels in every batch."""
    task = CoarseNoise((1.0, 1.0), (16.0, 16.0), (1.0, 1.0))
    variance = torch.stack([task.draw(torch.zeros(4, 1, 64, 64)) for _ in range(150)]).var((0, 1, 2))
    assert variance.std() / variance.mean() < 0.2


def test_generator_repeats_the_draw():
    image = torch.zeros(2, 1, 16, 16)
    task = CoarseNoise((1.0, 1.0), (3.0, 9.0), (0.5, 1.0))
    first, second = (task.draw(image, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("spacing", "cell", "std", "message"),
    [
        ((1.0,), (1, 2), (1, 2), "2 or 3 spatial axes"),
        ((1.0, 1.0), (0, 2), (1, 2), "noise_cell_mm expects 0 < low"),
        ((1.0, 1.0), (1, 2), (2, 1), "noise_std expects 0 < low"),
    ],
)
def test_bad_arguments_are_refused(spacing, cell, std, message):
    with pytest.raises(ValueError, match=message):
        CoarseNoise(spacing, cell, std)
