import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from nnunet_uad.metrics.baseline import equalised_intensity, image_foreground


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
