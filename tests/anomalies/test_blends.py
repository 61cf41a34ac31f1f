import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunet_uad.anomalies import blends
from nnunet_uad.anomalies.shapes import Shape, random_place


@pytest.fixture
def image():
    return np.random.default_rng(0).standard_normal((2, 12, 14)).astype(np.float32)


def test_texture_by_hand():
    image, texture = np.zeros((1, 2, 2), np.float32), np.full((1, 2, 2), 4.0, np.float32)
    mask = np.array([[True, False], [False, True]])
    marked = blends.blend_texture(image, mask, texture, 0.25)
    assert image.tolist() == [[[1, 0], [0, 1]]] and np.array_equal(marked, mask)


def test_what_nobody_sees_is_not_marked():
    image = np.zeros((1, 1, 2), np.float32)
    texture = np.array([[[0.05, 5.0]]], np.float32)
    assert blends.blend_texture(image, np.ones((1, 2), bool), texture, 1.0).tolist() == [[False, True]]


@pytest.mark.parametrize("blend", [blends.interpolate, blends.interpolate_gradients])
def test_only_the_box_within_the_foreground_changes(image, blend):
    before, other = image.copy(), image[:, ::-1] + 2
    foreground = np.ones((12, 14), bool)
    foreground[:, :6] = False
    box = (slice(2, 9), slice(4, 12))
    mask = blend(image, other, foreground, box, 0.7)
    changed = (image != before).any(0)
    allowed = np.zeros_like(foreground)
    allowed[box] = foreground[box]
    assert not (changed & ~allowed).any() and mask.any() and not (mask & ~changed).any()


def test_interpolation_by_hand(image):
    before, other = image.copy(), image + 3
    box = (slice(0, 3), slice(0, 3))
    blends.interpolate(image, other, np.ones((12, 14), bool), box, 0.5)
    assert np.allclose(image[:, :3, :3], before[:, :3, :3] + 1.5)


@pytest.mark.parametrize("shape", [(6, 9), (5, 6, 7)])
def test_poisson_keeps_the_laplacian_and_the_border(shape):
    difference = np.random.default_rng(1).standard_normal((2, *shape)).astype(np.float32)
    solved = blends.without_border(difference)
    inner = tuple(slice(1, -1) for _ in shape)

    def laplacian(field):
        total = -2 * len(shape) * field
        for axis in range(len(shape)):
            total = total + np.roll(field, 1, axis) + np.roll(field, -1, axis)
        return total[inner]

    for u, d in zip(solved, difference, strict=True):
        assert np.allclose(laplacian(u), laplacian(d), atol=1e-4)
        border = np.ones(shape, bool)
        border[inner] = False
        assert not u[border].any()


def test_a_constant_offset_disappears_in_gradients(image):
    """Seamless cloning: another brightness is no difference."""
    before = image.copy()
    mask = blends.interpolate_gradients(image, image + 5, np.ones((12, 14), bool), (slice(2, 9), slice(3, 9)), 1.0)
    assert np.allclose(image, before, atol=1e-4) and not mask.any()


def test_shift_by_hand():
    image, foreground = np.zeros((2, 1, 4), np.float32), np.array([[True, True, True, False]])
    shape = Shape((slice(0, 1), slice(0, 4)), np.array([[-2.0, 0.0, 2.0, 9.0]], np.float32))
    mask = blends.shift_intensity(image, foreground, shape, np.array([2.0, -1.0]), edge_mm=4.0)
    assert image.tolist() == [[[0, 1, 2, 0]], [[0, -0.5, -1, 0]]]
    assert mask.tolist() == [[False, False, True, False]]


def test_cut_paste_by_hand():
    image = np.array([[[1, 2, 3, 4]]], np.float32)
    foreground = np.array([[True, True, True, False]])
    box, source = (slice(0, 1), slice(0, 2)), (slice(0, 1), slice(2, 4))
    mask = blends.cut_paste(image, foreground, box, source, np.full((1, 1, 1), 0.5, np.float32))
    # The second voxel would come from outside the foreground.
    assert image.tolist() == [[[3.5, 2, 3, 4]]] and mask.tolist() == [[True, False, False, False]]


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_cut_paste_marks_what_changed(seed):
    rng = np.random.RandomState(seed)
    image = rng.standard_normal((2, 10, 10)).astype(np.float32)
    before, foreground = image.copy(), rng.random_sample((10, 10)) < 0.8
    box = (slice(1, 6), slice(3, 9))
    jitter = rng.normal(0, 0.3, (2, 1, 1)).astype(np.float32)
    mask = blends.cut_paste(image, foreground, box, random_place(box, (10, 10), rng), jitter)
    assert np.array_equal(mask, (np.abs(image - before).max(0) > blends.VISIBLE) & foreground)
