import numpy as np
import pytest

from nnunet_uad.anomalies.randomness import inside_voxel, log_uniform, numpy_random


def test_the_generator_is_numpys_global_one():
    np.random.seed(3)
    expected = np.random.random_sample(4)
    np.random.seed(3)
    assert np.array_equal(numpy_random().random_sample(4), expected)


def test_log_uniform_is_uniform_in_the_logarithm():
    rng = np.random.RandomState(0)
    values = np.array([log_uniform(rng, 1.0, 100.0) for _ in range(4000)])
    assert values.min() >= 1 and values.max() <= 100
    assert np.median(values) == pytest.approx(10, rel=0.1)


def test_a_rare_voxel_is_met_though_no_try_meets_it():
    foreground = np.zeros((50, 60, 70), bool)
    foreground[3, 4, 5] = True
    assert inside_voxel(foreground, np.random.RandomState(0)) == (3, 4, 5)
    assert inside_voxel(np.zeros((5, 5), bool), np.random.RandomState(0)) is None


def test_voxels_are_drawn_fairly():
    rng, foreground = np.random.RandomState(0), np.zeros((4, 4), bool)
    foreground[1, 1] = foreground[2, 3] = foreground[0, 0] = True
    drawn = [inside_voxel(foreground, rng) for _ in range(600)]
    assert all(foreground[place] for place in drawn)
    assert all(150 < drawn.count(place) < 250 for place in [(1, 1), (2, 3), (0, 0)])
