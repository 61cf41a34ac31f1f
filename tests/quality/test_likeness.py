from dataclasses import replace

import numpy as np
import pytest
import scans

from nnunet_uad.quality.likeness import TURNS, MeanScan, channel_likeness, likeness_numbers, turn_margins

PROFILES = [scans.profile(scans.scan(seed)) for seed in range(6)]
MEAN = MeanScan.of(PROFILES)


def test_there_are_47_ways_of_turning_and_each_can_be_undone():
    cube = np.random.default_rng(0).random((2, 4, 4, 4))
    turned = {turn.of(cube).tobytes() for turn in TURNS}
    assert len(TURNS) == len(turned) == 47 and cube.tobytes() not in turned
    assert all(any((back.of(turn.of(cube)) == cube).all() for back in TURNS) for turn in TURNS)
    words = {turn.name: turn.words for turn in TURNS}
    assert words["zyx, y reversed"] == "axis y is reversed" and words["zxy"] == "the axes are in another order"


def test_a_scan_looks_like_the_others():
    others = MEAN.without(PROFILES[0], len(PROFILES))
    np.testing.assert_allclose(others.cube, MeanScan.of(PROFILES[1:]).cube, atol=1e-6)
    numbers = likeness_numbers(PROFILES[0], others)
    assert numbers["outline"] > 0.9 and numbers["likeness:0"] > 0.5 and numbers["own channel:0"] > 0.2


def test_swapped_channels_look_like_each_other():
    swapped = replace(PROFILES[0], cube=PROFILES[0].cube[::-1])
    likeness = channel_likeness(swapped, MEAN)
    assert likeness.argmax(1).tolist() == [1, 0]
    assert likeness_numbers(swapped, MEAN)["own channel:0"] < 0


@pytest.mark.parametrize("turn", [TURNS[1], TURNS[3], TURNS[20]], ids=lambda turn: turn.name)
def test_a_turned_scan_fits_better_when_turned_back(turn):
    profile = PROFILES[0]
    cube, mask = turn.of(profile.cube), turn.of(profile.mask[None])[0]
    margins = turn_margins(replace(profile, cube=cube, mask=mask), MEAN)
    best = TURNS[int(margins.argmin())]
    assert margins.min() < -0.05
    np.testing.assert_array_equal(best.of(cube), profile.cube)


def test_an_empty_overlap_is_no_likeness():
    nothing = replace(PROFILES[0], mask=np.zeros_like(PROFILES[0].mask))
    assert not channel_likeness(nothing, MEAN).any()
