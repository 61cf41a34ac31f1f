"""No NaN, infinity, huge or negative number reaches a training: every number of every trainer has bounds."""

import dataclasses
import math
import typing

import pytest

from nnunet_uad.common.bounds import Bounds
from nnunet_uad.common.settings import read_settings, typed
from nnunet_uad.methods import settings_classes


def numbers(cls):
    """Key, annotation and bounds of every number, and how its value is written."""
    for name, hint in typing.get_type_hints(cls, include_extras=True).items():
        if typing.get_origin(hint) is typing.ClassVar:
            continue
        kind, bounds, wrap = opened(hint)
        if kind in (int, float):
            yield name, kind, bounds, wrap


def opened(hint):
    """Type and bounds of a number, or of the numbers in a list, and the value's place in it."""
    kind, *notes = typing.get_args(hint) if typing.get_origin(hint) is typing.Annotated else (hint,)
    if typing.get_origin(kind) is tuple:
        inner = typing.get_args(kind)
        kind, bounds, _ = opened(inner[0])
        return kind, bounds, (lambda v: [v]) if Ellipsis in inner else (lambda v: [v] * len(inner))
    return kind, next((n for n in notes if isinstance(n, Bounds)), None), lambda v: v


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


@pytest.mark.parametrize(("trainer", "cls"), settings_classes().items(), ids=settings_classes())
def test_every_number_of_every_trainer_is_refused_outside_its_bounds_and_taken_inside(trainer, cls):
    for name, kind, bounds, wrap in numbers(cls):
        assert bounds is not None, f"{trainer} declares no bounds of {name}"
        assert math.isfinite(bounds.low) and math.isfinite(bounds.high) and getattr(cls(), name) is not None
        for value in outside(bounds, kind):
            with pytest.raises(ValueError, match=rf"^nnUNet_uad_settings: {name} expects"):
                read_settings(cls, f"{name}={typed(wrap(value))}")
        for value in just_inside(bounds, kind):
            made = getattr(read_settings(cls, f"{name}={typed(wrap(value))}"), name)
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
