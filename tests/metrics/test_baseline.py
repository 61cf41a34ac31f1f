import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from scipy.stats import rankdata

from nnunet_uad.metrics.baseline import above_zero, equalised_intensity, image_foreground, robust_z
from nnunet_uad.metrics.histogram import bins_of


def brain(seed=0, shape=(8, 24, 20)):
    """An image whose background is 0, as a brain cut out."""
    rng = np.random.default_rng(seed)
    image = rng.gamma(3.0, 100.0, shape)
    image[:, :3] = image[:, :, 15:] = 0
    return image


@pytest.mark.parametrize("mm", [0, 1, 2, 3])
def test_robust_z_is_the_recipe_in_plain_numpy(mm):
    """(x − median) / interquartile range of the nonzero voxels, Gaussian of some mm divided by that of the mask."""
    image, spacing = brain(), (3.0, 1.0, 0.8)
    values = np.sort(image[image != 0])
    low, middle, high = np.interp([0.25, 0.5, 0.75], np.linspace(0, 1, len(values)), values)
    z = np.where(image != 0, (image - middle) / (high - low), 0.0)
    if mm:
        sigma = [mm / s for s in spacing]
        share = gaussian_filter((image != 0).astype(float), sigma, mode="constant")
        z = np.where(image != 0, gaussian_filter(z, sigma, mode="constant") / np.where(share > 0, share, 1), 0.0)
    result = robust_z(image, image != 0, spacing, mm)
    assert result.dtype == np.float32 and np.allclose(result, z, atol=1e-5)


@settings(deadline=None, max_examples=25)
@given(st.floats(1e-3, 1e3), st.floats(-1e3, 1e3), st.sampled_from([0.0, 1.5]))
def test_robust_z_knows_no_unit(slope, offset, mm):
    image = brain(1)
    expected = robust_z(image, image != 0, (1.0, 1.0, 1.0), mm)
    changed = robust_z(slope * image + offset, image != 0, (1.0, 1.0, 1.0), mm)
    assert np.allclose(changed, expected, atol=1e-4)


def test_robust_z_of_what_hardly_varies():
    inside = np.ones((4, 5), bool)
    assert not robust_z(np.full((4, 5), 0.1, np.float32), inside, (1.0, 1.0), 1).any()
    # Three quarters are one value: no interquartile range, so the standard deviation is the unit.
    image = np.zeros((4, 5), np.float32)
    image[0, :3] = 7
    assert np.allclose(robust_z(image, inside, (1.0, 1.0)), image / image.std())
    assert not robust_z(image, ~inside, (1.0, 1.0), 2).any(), "no foreground at all"


@settings(deadline=None)
@given(st.lists(st.integers(-5, 5), min_size=1, max_size=50))
def test_ranks_as_scipy(values):
    image = np.array(values, dtype=np.float32).reshape(1, -1)
    result = equalised_intensity(image, np.ones(image.shape, bool))
    assert np.allclose(result.ravel(), rankdata(values, "max") / len(values))


def test_outside_is_zero_and_does_not_count():
    result = equalised_intensity(np.array([9.0, 1, 2]), np.array([False, True, True]))
    assert result.tolist() == [0, 0.5, 1]
    assert equalised_intensity(np.ones(3), np.zeros(3, bool)).tolist() == [0, 0, 0]


def test_water_of_0_is_no_background_where_air_is_below_0():
    ct = np.full((4, 8, 8), -1000)
    ct[:, 2:6, 2:6] = 0
    assert image_foreground(ct).all()
    brain = np.zeros((4, 8, 8))
    brain[:, 2:6, 2:6] = np.random.default_rng(0).standard_normal((4, 4, 4))
    assert (image_foreground(brain) == (brain != 0)).all(), "a brain cut out and normalised"
    assert (image_foreground(np.abs(brain)) == (brain != 0)).all()


def test_the_order_stays_even_of_the_darkest():
    z = np.linspace(-26, 40, 2000, dtype=np.float32)
    bins = bins_of(above_zero(z))
    assert above_zero(z).dtype == np.float32 and (np.diff(bins) > 0).all() and bins[0] > 0
    assert above_zero(np.float32([-1e30, 2.5])).tolist() == [np.exp(np.float32(-27)), 3.5]
