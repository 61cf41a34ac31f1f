from dataclasses import dataclass, field

import pytest

from nnunet_uad.common.schema import build, convert


@dataclass(frozen=True)
class Inner:
    size: int = 1


@dataclass(frozen=True)
class Outer:
    name: str
    rate: float = 0.5
    on: bool = True
    sizes: tuple[int, ...] = ()
    inner: Inner = Inner()
    maybe: int | None = None
    parts: dict[str, Inner] = field(default_factory=dict)


def test_values_become_what_the_fields_say():
    content = {"name": 7, "rate": 1, "sizes": [1, 2], "inner": {"size": 3}, "maybe": None, "parts": {"a": {"size": 2}}}
    assert build(Outer, content, "x") == Outer("7", 1.0, True, (1, 2), Inner(3), None, {"a": Inner(2)})
    assert build(Outer, {"name": "n", "sizes": 4, "inner": None}, "x") == Outer("n", sizes=(4,))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"nmae": "a"}, "x has no key 'nmae'. Did you mean 'name'"),
        ({"rate": 1}, "x lacks name"),
        ({"name": "a", "inner": {"sise": 1}}, "x: inner has no key 'sise'. Did you mean 'size'"),
        ({"name": "a", "rate": "fast"}, "x: rate expects a number, found 'fast'"),
        ({"name": "a", "on": 1}, "x: on expects true or false, found 1"),
        ({"name": "a", "maybe": True}, "x: maybe expects a whole number, found True"),
        ({"name": "a", "sizes": [1, 2.5]}, "x: sizes expects a whole number, found 2.5"),
        ({"name": "a", "parts": [1]}, "x: parts expects names with values"),
        ({"name": ["a"]}, "x: name expects a word"),
        (["name"], "x expects keys with values"),
    ],
)
def test_errors_name_the_place_and_the_nearest_key(content, message):
    with pytest.raises(ValueError, match=message):
        build(Outer, content, "x")


def test_any_is_left_alone():
    from typing import Any

    assert convert(Any, [1, "a"], "x") == [1, "a"]
