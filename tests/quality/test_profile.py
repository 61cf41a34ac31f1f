from dataclasses import replace

import numpy as np
import pytest
import scans
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunet_uad.quality.profile import CUBE, cube_of


def test_a_scan_is_summarised():
    profile = scans.profile(scans.scan(0))
    assert profile.cube.shape == (2, CUBE, CUBE, CUBE) and profile.mask.dtype == bool and profile.axes == "LPS"
    assert not profile.faults and np.isfinite(list(profile.numbers.values())).all()
    assert 10 ** profile.numbers["voxel z"] == pytest.approx(3)
    assert 10 ** profile.numbers["extent y"] == pytest.approx(36, abs=3)
    assert {"noise:0", "noise:1", "coverage:1", "bias:0", "rim 3:1", "quantile 99:0", "filling"} <= set(profile.numbers)


def test_empty_and_doubled_channels_are_faults():
    scan = scans.scan(0)
    empty = scans.profile(replace(scan, image=scan.image * np.array([1, 0])[:, None, None, None]))
    assert "T1 holds one value only" in empty.faults[0] and len(empty.faults) == 1
    twice = scans.profile(replace(scan, image=np.stack([scan.image[0], 3 * scan.image[0]])))
    assert "FLAIR and T1 are the same image" in twice.faults[0]


@settings(deadline=None, max_examples=20)
@given(shape=st.tuples(*[st.integers(1, 90)] * 3))
def test_every_shape_becomes_a_cube_of_the_same_mean(shape):
    cube = cube_of(np.full(shape, 2.5, np.float32))
    assert cube.shape == (CUBE,) * 3
    np.testing.assert_allclose(cube, 2.5, rtol=1e-5)


def test_the_cube_shows_what_lies_where():
    volume = np.zeros((20, 64, 40), np.float32)
    volume[:10] = 1
    cube = cube_of(volume)
    assert cube[:14].min() > 0.9 and cube[18:].max() < 0.1
