import numpy as np
import pytest
from scipy import ndimage

from nnunet_uad.quality.texture import texture_numbers

INSIDE = np.ones((8, 64, 64), bool)


@pytest.mark.parametrize("level", [0.05, 0.4])
def test_white_noise_is_measured_as_it_is(level):
    noise = level * np.random.default_rng(0).standard_normal(INSIDE.shape)
    expected = np.log10(level * np.sqrt(2 / np.pi))
    assert texture_numbers(noise, INSIDE)["noise"] == pytest.approx(expected, abs=0.02)


def test_blur_lowers_the_sharpness_and_noise_raises_it():
    rng = np.random.default_rng(1)
    image = ndimage.gaussian_filter(rng.standard_normal(INSIDE.shape), (0, 1, 1))
    own, blurred, noisy = (
        texture_numbers(i, INSIDE)["sharpness"]
        for i in (image, ndimage.gaussian_filter(image, (0, 1, 1)), image + 0.5 * rng.standard_normal(image.shape))
    )
    assert blurred < own < noisy


def test_the_edge_of_the_foreground_is_no_texture():
    inside = np.zeros(INSIDE.shape, bool)
    inside[:, 11:41, 13:47] = True
    numbers = texture_numbers(np.where(inside, 1.0, 0.0), inside)
    assert numbers["noise"] == -4 and numbers["sharpness"] == 0
    assert texture_numbers(np.zeros((1, 1, 1)), np.ones((1, 1, 1), bool))["noise"] == -4
