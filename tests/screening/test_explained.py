import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnunet_uad.screening.explained import explained, unknown


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 1.0, 2.5, 4.0]))
def test_as_far_as_the_margin_and_no_further(seed, margin):
    rng = np.random.default_rng(seed)
    known, spacing = rng.random((4, 6, 5)) < 0.03, (3.0, 1.0, 2.0)
    here = np.argwhere(known) * spacing
    every = np.argwhere(np.ones_like(known)) * spacing
    distance = np.linalg.norm(every[:, None] - here[None], axis=2).min(1, initial=np.inf)
    expected = (distance <= margin + 1e-9).reshape(known.shape)
    np.testing.assert_array_equal(explained(known, spacing, margin), expected)


@pytest.mark.parametrize("threshold", [0.0, 0.5])
def test_the_background_is_never_unknown(threshold):
    scores, near = np.array([[0.0, 0.5, 0.9]]), np.array([[False, False, True]])
    assert unknown(scores, near, threshold).tolist() == [[False, True, False]]
