import numpy as np
import pytest

from nnunet_uad.evaluation.floors import (
    Floor,
    every_floor,
    is_floor,
    main_floor,
    shown_scores,
    strongest,
    without_scale,
)
from nnunet_uad.metrics.baseline import above_zero, robust_z
from nnunet_uad.scoring.score_settings import ScoreSettings

NAMES = ["robust_z:FLAIR", "robust_z:FLAIR@1mm", "robust_z:FLAIR@2mm", "robust_z:FLAIR@3mm"]


def image(seed=0):
    values = np.random.default_rng(seed).gamma(3.0, 100.0, (6, 16, 14)).astype(np.float32)
    values[:, :2] = values[0] = 0
    return values


def test_names_are_api():
    """They are in files that people keep."""
    assert list(Floor(0, "FLAIR").scales) == NAMES and list(Floor(0, "FLAIR").scales.values()) == [0, 1, 2, 3]
    assert list(Floor(1, "T1", -1).scales)[:2] == ["robust_z:-T1", "robust_z:-T1@1mm"]
    assert all(map(is_floor, NAMES)) and not is_floor("map") and not is_floor("intensity:FLAIR")
    assert {without_scale(name) for name in NAMES} == {NAMES[0]} and without_scale("robust_z:b@w") == "robust_z:b@w"


@pytest.mark.parametrize("sign", [1, -1])
def test_maps_are_robust_z_above_0_and_0_outside(sign):
    values, floor = image(), Floor(0, "FLAIR", sign)
    inside = values != 0
    maps = floor.maps(values, inside, (3.0, 1.0, 1.0))
    assert list(maps) == list(floor.scales)
    for (name, mm), made in zip(floor.scales.items(), maps.values(), strict=True):
        expected = above_zero(sign * robust_z(values, inside, (3.0, 1.0, 1.0), mm))
        assert made.dtype == np.float32 and np.allclose(made[inside], expected[inside], rtol=1e-4), name
        assert (made[inside] > 0).all() and not made[~inside].any()
    few = floor.maps(values, inside, (3.0, 1.0, 1.0), [list(maps)[2], "map"])
    assert list(few) == [list(maps)[2]] and np.array_equal(few[list(maps)[2]], maps[list(maps)[2]])


def test_a_picture_and_an_image_that_is_all_background():
    picture = image()[3]
    assert len(Floor(0, "x").maps(picture, picture != 0, (1.0, 1.0))) == 4
    empty = Floor(0, "x").maps(np.zeros((3, 4)), np.zeros((3, 4), bool), (1.0, 1.0))
    assert not any(m.any() for m in empty.values())


def test_channels_and_signs_are_those_of_the_score():
    score, names = ScoreSettings(channel_weights="FLAIR:1,T1:-3"), ["FLAIR", "T1", "T2"]
    assert main_floor(score, names) == Floor(1, "T1", -1) and main_floor(ScoreSettings(), names) == Floor(0, "FLAIR")
    assert every_floor(score, names) == [Floor(0, "FLAIR"), Floor(1, "T1", -1), Floor(2, "T2")]


def test_the_strongest_has_the_highest_precision_and_undefined_ones_do_not_count():
    assert strongest({"a": 0.2, "b": 0.7, "c": float("nan")}) == "b"
    assert strongest({"a": float("nan")}) is None and strongest({}) is None


def test_weaker_floors_are_not_shown():
    summary = {"scores": dict.fromkeys(["map", *NAMES, "intensity:FLAIR"]), "strongest_floor": {"score": NAMES[2]}}
    assert shown_scores(summary) == ["map", NAMES[2], "intensity:FLAIR"]
    assert shown_scores({**summary, "strongest_floor": None}) == ["map", "intensity:FLAIR"]
