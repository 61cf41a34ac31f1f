"""No NaN, infinity, huge or negative number reaches a training: every number of every trainer has bounds."""

import dataclasses
import math
import typing

import pytest

from nnunet_uad.common.bounds import Bounds, bounds_of
from nnunet_uad.common.settings import read_settings, typed
from nnunet_uad.methods import settings_classes

#: Numbers that have a part beside other settings only → those settings, of trainers that have them.
LESIONS = ("anomaly_probability", "anomaly_size_mm", "anomaly_opacity", "anomaly_shift")
BESIDE = {
    "decoder_warmup": "schedule=sawtooth",
    "detection_weight": "corruption=both detection=true",
    **dict.fromkeys(LESIONS, "corruption=both second_phase=0.5 anomalies=shift,tissue"),
}


def numbers(cls):
    """Key, type and bounds of every number, and how many of it stand in a list; 0: none does."""
    for name, hint in typing.get_type_hints(cls, include_extras=True).items():
        kind, count = bare(hint), 0
        if typing.get_origin(kind) is tuple:
            inner = typing.get_args(kind)
            kind, count = bare(inner[0]), 1 if Ellipsis in inner else len(inner)
        if kind in (int, float):
            yield name, kind, bounds_of(hint), count


def written(cls, name, value, count):
    has = {f.name for f in dataclasses.fields(cls)}
    needed = [setting for setting in BESIDE.get(name, "").split() if setting.split("=")[0] in has]
    return f"{' '.join(needed)} {name}={typed([value] * count if count else value)}"


def bare(hint):
    return typing.get_args(hint)[0] if typing.get_origin(hint) is typing.Annotated else hint


def just_inside(bounds, kind):
    low, high = bounds.low, bounds.high
    if kind is int:
        return [int(low) + bounds.without_low, int(high) - bounds.without_high]
    # −1 is a word for "for good", beside which nothing below 0 has a meaning.
    low = math.nextafter(low, math.inf) if bounds.without_low else low
    return [low, math.nextafter(high, -math.inf) if bounds.without_high else high]


def outside(bounds, kind):
    step = 1 if kind is int else 1e-6
    below = bounds.low if bounds.without_low else bounds.low - step
    above = bounds.high if bounds.without_high else bounds.high * (1 + 1e-6) + step
    values = [below, int(above) if kind is int else above, -1e9, -1e308, 1e308, math.nan, math.inf, -math.inf, True]
    return [*values, "high", [], None, *([bounds.low + 0.5] if kind is int else [])]


#: Settings that others need beside them, without which they are refused as without effect.
NEEDS = {"draws": "score=standardised ", "init_lr": "init=pretrained.safetensors "}


@pytest.mark.parametrize(("trainer", "cls"), settings_classes().items(), ids=settings_classes())
def test_every_number_of_every_trainer_is_refused_outside_its_bounds_and_taken_inside(trainer, cls):
    for name, kind, bounds, count in numbers(cls):
        assert bounds is not None, f"{trainer} declares no bounds of {name}"
        assert math.isfinite(bounds.low) and math.isfinite(bounds.high)
        for value in outside(bounds, kind):
            with pytest.raises(ValueError, match=rf"^nnUNet_uad_settings: {name} expects"):
                read_settings(cls, written(cls, name, value, count))
        for value in just_inside(bounds, kind):
            beside = NEEDS.get(name, "")
            made = getattr(read_settings(cls, beside + written(cls, name, value, count)), name)
            assert value in (made if isinstance(made, tuple) else (made,))


def test_the_walk_finds_all_numbers():
    found = {name for name, *_ in numbers(settings_classes()["nnUNetPretrainerDDPM"])}
    declared = {
        f.name
        for f in dataclasses.fields(settings_classes()["nnUNetPretrainerDDPM"])
        if not isinstance(f.default, bool | str)
    }
    assert found == declared and {"learning_rate", "seed", "test_times", "smoothing_mm"} <= found


@pytest.mark.parametrize(
    ("bounds", "words", "inside", "out"),
    [
        (Bounds(0, 1), "a number in [0, 1]", (0, 0.5, 1), (-0.1, 1.1, math.nan)),
        (Bounds(0, 1, without_low=True, without_high=True), "a number in (0, 1)", (0.5,), (0, 1)),
        (Bounds(0, 8, multiple_of=4), "a multiple of 4 in [0, 8]", (0, 4, 8), (2, 12)),
    ],
)
def test_bounds_in_words(bounds, words, inside, out):
    assert str(bounds) == words
    assert all(v in bounds for v in inside) and not any(v in bounds for v in out)
