import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnunet_uad.quality.intensities import Standardised, intensity_numbers

VALUES = np.random.default_rng(0).gamma(3, 20, (6, 20, 20)).astype(np.float32) + 1
INSIDE = np.ones(VALUES.shape, bool)


@given(gain=st.floats(0.01, 100), offset=st.floats(-100, 100))
def test_the_scanners_unit_does_not_matter(gain, offset):
    first, second = (
        intensity_numbers(v, INSIDE, Standardised.of(v, INSIDE), False) for v in (VALUES, gain * VALUES + offset)
    )
    np.testing.assert_allclose(list(first.values()), list(second.values()), atol=2e-2)


def test_of_a_normal_distribution():
    values = np.random.default_rng(1).normal(50, 7, (40, 40, 40)).astype(np.float32)
    inside = np.ones(values.shape, bool)
    made = Standardised.of(values, inside)
    assert abs(made.scale - 7) < 0.1
    numbers = intensity_numbers(values, inside, made, False)
    assert abs(numbers["quantile 95"] - 1.645) < 0.05 and abs(numbers["skew"]) < 0.03


def test_units_that_mean_something_are_kept():
    numbers = intensity_numbers(VALUES, INSIDE, Standardised.of(VALUES, INSIDE), True)
    assert numbers["value 50"] == pytest.approx(float(np.median(VALUES)))


def test_one_value_has_no_scale():
    assert Standardised.of(np.full((3, 3, 3), 5.0), np.ones((3, 3, 3), bool)).scale == 0
    assert Standardised.of(np.full((3, 3, 3), 5.0), np.zeros((3, 3, 3), bool)).scale == 0
    mostly = np.zeros((10, 10, 10))
    mostly[:, :2] = 4
    assert Standardised.of(mostly, np.ones(mostly.shape, bool)).scale > 0
