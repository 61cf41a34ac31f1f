import subprocess
import sys
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, Gt, Le, Lt

from nnunet_uad.common.schema import EMPTY_IS_DEFAULT, ONE_OR_MORE, Before, Word, build


@dataclass(frozen=True)
class Inner:
    size: int = 1

    def __post_init__(self):
        if self.size > 99:
            raise ValueError(f"size expects at most 99, found {self.size}.")


@dataclass(frozen=True)
class Outer:
    name: Word
    rate: float = 0.5
    on: bool = True
    sizes: Annotated[tuple[int, ...], ONE_OR_MORE] = ()
    pair: tuple[float, float] = (1.0, 2.0)
    inner: Annotated[Inner, EMPTY_IS_DEFAULT] = Inner()
    maybe: int | None = None
    parts: dict[str, Inner] = field(default_factory=dict)
    anything: Any = None


def test_values_become_what_the_fields_say():
    content = {"name": 7, "rate": 1, "sizes": [1, 2], "inner": {"size": 3}, "maybe": None, "parts": {"a": {"size": 2}}}
    made = build(Outer, content, "x")
    assert made == Outer("7", 1.0, True, (1, 2), (1.0, 2.0), Inner(3), None, {"a": Inner(2)})
    assert isinstance(made.rate, float) and isinstance(made.sizes, tuple)
    assert build(Outer, {"name": "n", "sizes": 4, "inner": None}, "x") == Outer("n", sizes=(4,))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"nmae": "a"}, "x has no key 'nmae'. Did you mean 'name'. It has: name, rate"),
        ({"rate": 1}, "x lacks name"),
        ({"name": "a", "inner": {"sise": 1}}, "x: inner has no key 'sise'. Did you mean 'size'"),
        ({"name": "a", "parts": {"p": {"sise": 1}}}, "x: parts: p has no key 'sise'. Did you mean 'size'"),
        ({"name": "a", "parts": {"p": {"size": "q"}}}, "x: parts: p: size expects a whole number, found 'q'"),
        ({"name": "a", "inner": {"size": 100}}, "x: inner: size expects at most 99, found 100"),
        ({"name": "a", "inner": [1]}, r"x: inner expects keys with values, found \[1\]"),
        ({"name": "a", "rate": "fast"}, "x: rate expects a number, found 'fast'"),
        ({"name": "a", "rate": True}, "x: rate expects a number, found True"),
        ({"name": "a", "on": 1}, "x: on expects true or false, found 1"),
        ({"name": "a", "maybe": True}, "x: maybe expects a whole number, found True"),
        ({"name": "a", "sizes": [1, 2.5]}, "x: sizes expects a whole number, found 2.5"),
        ({"name": "a", "pair": [1]}, r"x: pair expects a list of 2 values, found \[1\]"),
        ({"name": "a", "pair": [1, 2, 3]}, r"x: pair expects a list of 2 values, found \[1, 2, 3\]"),
        ({"name": "a", "pair": 1}, "x: pair expects a list, found 1"),
        ({"name": "a", "parts": [1]}, "x: parts expects names with values"),
        ({"name": ["a"]}, "x: name expects a word"),
        (["name"], "x expects keys with values"),
    ],
)
def test_errors_name_the_place_and_the_nearest_key(content, message):
    with pytest.raises(ValueError, match=message.replace("?", ".")):
        build(Outer, content, "x")


def test_any_is_left_alone():
    assert build(Outer, {"name": "a", "anything": [1, {"b": None}]}, "x").anything == [1, {"b": None}]


def test_keys_of_a_newer_version_may_be_ignored():
    assert build(Outer, {"name": "a", "later": 1}, ignore_unknown=True) == Outer("a")


def test_a_base_supplies_what_is_left_out_and_examples():
    assert build(Outer, {"rate": 2}, base=Outer("b", sizes=(3, 4))) == Outer("b", 2.0, sizes=(3, 4))
    with pytest.raises(ValueError, match=r"^pair expects a value like \[1.0,2.0\], found 5\.$"):
        build(Outer, {"pair": 5}, base=Outer("b"))
    with pytest.raises(ValueError, match="^Outer has no setting 'rte'. Did you mean 'rate'"):
        build(Outer, {"rte": 5}, base=Outer("b"))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("share", 1, "share expects < 1, found 1"),
        ("share", -0.5, "share expects >= 0, found -0.5"),
        ("count", 0, "count expects > 0, found 0"),
        ("count", 11, "count expects <= 10, found 11"),
        ("kind", "c", "kind expects one of a, b, found 'c'"),
    ],
)
@pytest.mark.parametrize("with_base", [True, False])
def test_ranges_and_choices_are_annotations(key, value, message, with_base):
    @dataclass(frozen=True)
    class Ranged:
        share: Annotated[float, Ge(0), Lt(1)] = 0.5
        count: Annotated[int, Gt(0), Le(10)] = 1
        kind: Literal["a", "b"] = "a"

    with pytest.raises(ValueError, match=f"^{message}"):
        build(Ranged, {key: value}, base=Ranged() if with_base else None)


def test_a_function_may_come_before_the_check():
    @dataclass(frozen=True)
    class Listed:
        words: Annotated[tuple[str, ...], Before(lambda value: value.split(",") if isinstance(value, str) else value)]

    assert build(Listed, {"words": "a,b"}).words == ("a", "b")
    with pytest.raises(ValueError, match="words expects a list, found 1"):
        build(Listed, {"words": 1})


def test_pydantic_is_imported_when_the_first_dataclass_is_built():
    code = "import nnunet_uad.study.layout, nnunet_uad.cli.main, sys; assert 'pydantic' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
