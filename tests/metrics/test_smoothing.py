import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from nnunet_uad.metrics.smoothing import smoothed


@settings(deadline=None, max_examples=25)
@given(st.floats(0.5, 6), st.integers(0, 99))
def test_smoothing_keeps_constants_and_ignores_what_is_outside(sigma, seed):
    rng = np.random.default_rng(seed)
    inside = rng.random((4, 12, 12)) < 0.6
    inside[2, 6, 6] = True
    volume = np.where(inside, 3.0, rng.standard_normal(inside.shape) * 100).astype(np.float32)
    result = smoothed(volume, inside, (3.0, 1.0, 1.0), sigma)
    assert np.allclose(result[inside], 3.0, atol=1e-3) and (result[~inside] == 0).all()
    # Whatever stands in the background: not a bit of it leaks in.
    other = np.where(inside, volume, -1e4).astype(np.float32)
    assert np.array_equal(smoothed(other, inside, (3.0, 1.0, 1.0), sigma), result)


def test_smoothing_is_in_mm():
    volume = np.zeros((41, 41, 41), np.float32)
    volume[20, 20, 20] = 1
    result = smoothed(volume, np.ones(volume.shape, bool), (1.0, 2.0, 4.0), 4.0)
    assert result[24, 20, 20] == pytest.approx(result[20, 22, 20], rel=0.02)
    assert result[24, 20, 20] == pytest.approx(result[20, 20, 21], rel=0.02)


@pytest.mark.parametrize("sigma", [0.7, 2.5])
def test_the_box_gives_what_the_whole_volume_gives_to_the_last_bit(sigma):
    rng = np.random.default_rng(0)
    inside = np.zeros((9, 30, 28), bool)
    inside[2:6, 3:20, 5:28] = rng.random((4, 17, 23)) < 0.8
    volume = rng.standard_normal(inside.shape).astype(np.float32)
    width, mask = [sigma / s for s in (2.0, 1.0, 0.8)], inside.astype(np.float32)
    total, weight = (gaussian_filter(v, width, mode="constant") for v in (volume * mask, mask))
    expected = np.where(inside, total / np.maximum(weight, 1e-6), 0).astype(np.float32)
    assert np.array_equal(smoothed(volume, inside, (2.0, 1.0, 0.8), sigma), expected)


@pytest.mark.parametrize("sigma", [0.0, 1.0])
def test_pictures_and_empty_masks(sigma):
    picture = np.arange(12, dtype=np.float64).reshape(3, 4)
    result = smoothed(picture, picture > 20, (1.0, 1.0), sigma)
    assert result.dtype == np.float32 and not result.any() and result.shape == (3, 4)
    assert smoothed(picture, picture > 5, (1.0, 1.0), sigma)[2, 3] > 8
