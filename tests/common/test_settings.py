from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from nnunet_uad.common.settings import (
    Settings,
    assignments,
    parse_assignments,
    read_settings,
    settings_from,
    settings_to_json,
)


@dataclass(frozen=True)
class Example:
    rate: float = 0.1
    count: int = 3
    flag: bool = False
    span: tuple[float, float] = (0.5, 1.0)
    kind: str = "a"


def test_values_take_the_type_of_the_default():
    settings = read_settings(Example, "rate=1 count=5 flag=true span=[1,2] kind=b")
    assert settings == Example(1.0, 5, True, (1.0, 2.0), "b")
    assert isinstance(settings.rate, float)


def test_environment_is_the_default_source(monkeypatch):
    monkeypatch.setenv("nnUNet_uad_settings", "count=9")
    assert read_settings(Example).count == 9
    monkeypatch.delenv("nnUNet_uad_settings")
    assert read_settings(Example) == Example()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rte=1", "no setting 'rte'. Did you mean 'rate'"),
        ("zzz=1", "It has: rate, count"),
        ("rate", "key=value pairs"),
        ("rate=fast", "rate expects a value like 0.1, found 'fast'"),
        ("count=1.5", "count expects"),
        ("flag=1", "flag expects"),
        ("span=[1]", "span expects"),
        ("span=1", "span expects"),
        ("kind=3", "kind expects"),
        ("rate=true", "rate expects"),
    ],
)
def test_bad_settings_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        read_settings(Example, text)


def test_strings_may_be_quoted_json():
    assert parse_assignments('a="x" b=[1,2]') == {"a": "x", "b": [1, 2]}


def test_assignments_can_be_typed_again():
    values = {"a": "x y", "b": "5", "c": [1, 2.5], "d": True, "e": "perlin,shift", "f": "", "g": 0.001}
    text = "'a=x y' b=\"5\" c=[1,2.5] d=true e=perlin,shift f= g=0.001"
    assert assignments(values) == text and parse_assignments(text) == values


def test_whole_numbers_may_be_written_with_an_exponent():
    assert read_settings(Example, "count=1e1 span=[2.0,3e0]") == Example(count=10, span=(2.0, 3.0))


def test_json_form_turns_tuples_into_lists():
    assert settings_to_json(Example())["span"] == [0.5, 1.0]


def test_errors_say_where_the_settings_come_from():
    with pytest.raises(ValueError, match="^nnUNet_uad_settings: Example has no setting 'rte'"):
        read_settings(Example, "rte=1")
    with pytest.raises(ValueError, match="^--score: rate expects"):
        read_settings(Example, "rate=fast", source="--score")
    with pytest.raises(ValueError, match="^--score: expected key=value pairs"):
        read_settings(Example, "rate", source="--score")


def test_the_origin_is_said_once():
    outer, inner = settings_from("plans p"), settings_from("plans p")
    with pytest.raises(ValueError, match="^plans p: tile_grid expects 3x3$"), outer, inner:
        raise ValueError("tile_grid expects 3x3")


@dataclass(frozen=True)
class Shape(Settings):
    before: ClassVar[dict[str, Any]] = {"edge": 1.0}

    edge: float = 2.0
    corner: float = 0.0

    def check_given(self, keys):
        super().check_given(keys)
        if self.edge and "corner" in keys:
            raise ValueError("corner has no part beside an edge.")


@dataclass(frozen=True)
class Coloured(Settings):
    before: ClassVar[dict[str, Any]] = {"colour": "red"}

    colour: str = "blue"


@dataclass(frozen=True)
class Both(Shape, Coloured):
    pass


def test_every_section_says_what_its_settings_were_before_there_were_any():
    assert Both.at_first() == {"edge": 1.0, "colour": "red"} and Settings.at_first() == {}


def test_what_was_said_without_effect_is_refused_the_default_too():
    assert read_settings(Both, "edge=0 corner=0.0") == Both(edge=0.0) == read_settings(Both, "edge=0")
    with pytest.raises(ValueError, match="^nnUNet_uad_settings: corner has no part"):
        read_settings(Both, "corner=0.0")
