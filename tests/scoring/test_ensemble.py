import numpy as np
import pytest

from nnunet_uad.scoring.ensemble import rank_ensemble


def test_units_do_not_matter():
    rng = np.random.default_rng(0)
    a, b = rng.random((3, 5, 5)), rng.random((3, 5, 5))
    inside = np.ones(a.shape, bool)
    inside[0] = False
    assert np.array_equal(rank_ensemble([a, b], inside), rank_ensemble([1000 * a, np.exp(b)], inside))
    assert (rank_ensemble([a, b], inside)[0] == 0).all()


def test_weights():
    a, b = np.array([1.0, 2, 3]), np.array([3.0, 2, 1])
    inside = np.ones(3, bool)
    assert np.allclose(rank_ensemble([a, b], inside), 2 / 3)
    assert np.allclose(rank_ensemble([a, b], inside, [1, 0]), [1 / 3, 2 / 3, 1])


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="shape"):
        rank_ensemble([np.zeros(3)], np.ones(4, bool))
    with pytest.raises(ValueError, match="Expected 1 weights"):
        rank_ensemble([np.zeros(3)], np.ones(3, bool), [1, 2])
