import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from nnunet_uad.metrics.baseline import equalised_intensity


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
