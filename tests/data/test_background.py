import numpy as np
import pytest

from nnunet_uad.data.background import background_warning, has_dark_border

Z, Y, X = np.meshgrid(*(np.linspace(-1, 1, n) for n in (6, 32, 32)), indexing="ij")
BODY = Y**2 + X**2 < 0.35


def scan(air, noise=0.0):
    rng = np.random.default_rng(0)
    return np.where(BODY, rng.normal(40, 10, BODY.shape), air + noise * np.abs(rng.standard_normal(BODY.shape)))


class Cases:
    def __init__(self, image, foreground):
        self.case = image[None], np.where(foreground, 0, -1)[None], None, {}

    def load_case(self, identifier):
        return self.case


@pytest.mark.parametrize(("air", "noise"), [(-1000, 0), (-1024, 5), (0.5, 3)])
def test_air_and_noise_around_the_body_are_noticed(air, noise):
    image = scan(air, noise)
    assert has_dark_border(image, np.ones_like(BODY))
    warning = background_warning(Cases(image, np.ones_like(BODY)), ["a", "b"])
    assert warning.startswith("WARNING: the background counts as foreground in 2 of 2")


def test_images_that_are_cut_out_or_fill_their_box_are_not():
    assert not has_dark_border(scan(0), BODY)
    assert background_warning(Cases(scan(0), BODY), ["a"]) == ""
    rng = np.random.default_rng(1)
    full = rng.normal(100, 10, BODY.shape) + 30 * X
    assert not has_dark_border(full, np.ones_like(BODY))
    assert not has_dark_border(np.ones(BODY.shape), np.ones_like(BODY))
