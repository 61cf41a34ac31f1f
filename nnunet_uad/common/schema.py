"""Mappings that people write (YAML, JSON, ``key=value``) → frozen dataclasses, with errors that say what was meant.

The dataclasses stay plain ones of the standard library. Pydantic checks them against their annotations and is imported
when the first one is built: ``nnunet_uad --help`` must not wait for it.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import json
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from nnunet_uad.common.bounds import Bounds

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core import ErrorDetails

T = TypeVar("T")

#: Pydantic's names of what does not fit → what is expected instead, in words.
_EXPECTED = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "a word or text",
    "dict_type": "names with values",
    "tuple_type": "a list",
    "list_type": "a list",
    "dataclass_type": "keys with values",
    "greater_than": "> {gt:g}",
    "greater_than_equal": ">= {ge:g}",
    "less_than": "< {lt:g}",
    "less_than_equal": "<= {le:g}",
    "finite_number": "a finite number",
    "string_pattern_mismatch": "text of the form {pattern}",
}
#: Those that a range explains better than one of its ends does.
_OF_RANGES = ("greater_than", "greater_than_equal", "less_than", "less_than_equal", "finite_number", "multiple_of")
#: The same, of a tuple with too few or too many values.
_LENGTHS = ("missing", "too_long")
#: Letters of what was found that an error shows.
_SHOWN = 100


class Before:
    """Annotation of a field: a function that its value passes before it is checked.

    Args:
        function: Value as it was written → value as the field's type wants it; what it does not know it returns as it
            is, for the check to refuse.
        also: Names of JSON's types that editors let pass beside the field's own type; found from that if not given.

    Example:
        >>> Word = Annotated[str, Before(lambda value: str(value) if type(value) is int else value)]
    """

    def __init__(self, function: Callable[[Any], Any], also: Sequence[str] = ()) -> None:
        self.function, self.also = function, tuple(also)

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        from pydantic_core import core_schema

        # Back to JSON: the strict rules for Python's own objects take no list for a tuple.
        def written(value: Any) -> str:
            """What takes the value's place."""
            return json.dumps(self.function(value))

        checked = core_schema.json_schema(handler(source), metadata={"also": self.also})
        return core_schema.no_info_before_validator_function(written, checked)


class Matching:
    """Annotation of text: what it must look like.

    Args:
        pattern: Regular expression of all of it.
        words: Noun phrase for what is expected, for errors.
    """

    def __init__(self, pattern: str, words: str) -> None:
        self.pattern, self.words = pattern, words

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        from pydantic_core import PydanticCustomError, core_schema

        def matched(value: str) -> str:
            """The text itself.

            Raises:
                PydanticCustomError: The text does not match.
            """
            if not re.fullmatch(self.pattern, value):
                raise PydanticCustomError("no_match", "{words}", {"words": self.words})
            return value

        return core_schema.no_info_after_validator_function(matched, handler(source))


#: Text that may be written as a number: the dataset 901, the fold 0.
Word = Annotated[str, Before(lambda value: str(value) if type(value) is int else value)]
#: For tuples: a single value may stand for a list of one; what is no such value is refused as one.
ONE_OR_MORE = Before(lambda value: value if isinstance(value, list) else [value])
#: For dataclasses: a key with nothing behind it means the defaults.
EMPTY_IS_DEFAULT = Before(lambda value: {} if value is None else value)


def build(cls: type[T], content: Any, where: str = "", base: T | None = None, ignore_unknown: bool = False) -> T:
    """Build a dataclass from a mapping; nested dataclasses from nested mappings.

    Args:
        cls: Dataclass whose fields are the keys, those without default are required; or any type that pydantic knows.
        content: Mapping as YAML or JSON gives it: lists become tuples, whole numbers fit floats, nothing else is
            converted.
        where: Place for errors, for example ``study.yaml``.
        base: Settings that supply what ``content`` leaves out; errors then show their values as examples.
        ignore_unknown: Whether keys that are no field are left out, instead of refused.

    Raises:
        ValueError: No mapping, an unknown key (the nearest is suggested), a missing key, a wrong type, a number out of
            its bounds, or what the dataclass itself refuses; names place, key, what is expected and what was found.
    """
    from pydantic import ValidationError

    known = {} if base is None else dataclasses.asdict(base)  # type: ignore[call-overload]
    full = {**known, **content} if isinstance(content, Mapping) else content
    extra: typing.Literal["ignore", "forbid"] = "ignore" if ignore_unknown else "forbid"
    try:
        # As JSON, whose strict rules are those of people: a list is a tuple, 1 is 1.0, but true is no number.
        adapter: TypeAdapter[T] = type_adapter(cls)  # type: ignore[arg-type]
        return adapter.validate_json(json.dumps(full, default=str), strict=True, extra=extra)
    except ValidationError as error:
        details = error.errors(include_url=False)
    raise ValueError(_in_words(cls, details, where, known, full))


def check(made: Any) -> None:
    """Refuse a dataclass whose values do not fit its annotations, however it was made.

    Args:
        made: Dataclass to check, for example from its ``__post_init__``.

    Raises:
        ValueError: A value of a wrong type or out of its bounds; names key, what is expected and what was found.
    """
    cls: Any = type(made)
    build(_unchecked(cls), {f.name: getattr(made, f.name) for f in dataclasses.fields(made)})


@functools.cache
def _unchecked(cls: Any) -> type:
    """The fields of a dataclass without what it does itself when it is made."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return dataclasses.make_dataclass(cls.__name__, [(f.name, hints[f.name]) for f in dataclasses.fields(cls)])


def shown(value: Any) -> str:
    """A value as errors show it: not longer than a line.

    Args:
        value: Value that was found.
    """
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} letters)"


@functools.cache
def type_adapter(cls: Any) -> TypeAdapter[Any]:
    """What checks values of a type; made once.

    Args:
        cls: Dataclass, or any type that pydantic knows.
    """
    from pydantic import TypeAdapter

    return TypeAdapter(cls)


def refuse_unknown(keys: Iterable[Any], known: Iterable[str], where: str, noun: str = "key") -> None:
    """Raise for a key that is none of the known ones, suggesting the nearest.

    Args:
        keys: Keys as they were written.
        known: Keys that there are.
        where: Place for the error.
        noun: Word for a key: ``setting``.

    Raises:
        ValueError: Naming the key, the nearest and all known ones.
    """
    known = list(known)
    for key in keys:
        if key not in known:
            raise ValueError(_unknown(key, known, where, noun))


def nearest(key: Any, known: Sequence[str]) -> str:
    """The question whether the nearest key was meant, for the end of a sentence; empty if none is near."""
    near = difflib.get_close_matches(str(key)[:_SHOWN], known, n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else ""


def _unknown(key: Any, known: Sequence[str], where: str, noun: str) -> str:
    return f"{where} has no {noun} {shown(key)}.{nearest(key, known)} It has: {', '.join(known)}."


def _in_words(cls: type, details: list[ErrorDetails], where: str, base: Mapping[str, Any], content: Any) -> str:
    """The most telling of the errors: a misspelt key explains why another one is missing."""

    def place(path: Sequence[int | str]) -> str:
        """Where a key lies, for the error."""
        return ": ".join(p for p in (where, *(str(p) for p in path if isinstance(p, str))) if p)

    def first(kind: str) -> ErrorDetails | None:
        """The first error of a kind."""
        return next((d for d in details if d["type"] == kind and isinstance(d["loc"][-1], str)), None)

    path: Sequence[int | str]
    unknown, missing = first("unexpected_keyword_argument"), first("missing")
    if unknown is not None:
        path, key = unknown["loc"][:-1], unknown["loc"][-1]
        owner = _type_at(cls, path)
        names = [f.name for f in dataclasses.fields(owner)]
        return _unknown(key, names, place(path) or owner.__name__, "setting" if base else "key")
    if missing is not None:
        path = missing["loc"][:-1]
        names = [str(d["loc"][-1]) for d in details if d["type"] == "missing" and d["loc"][:-1] == path]
        return f"{place(path) or _name(cls)} lacks {', '.join(names)}."
    detail = details[0]
    if detail["type"] == "value_error":
        text = str(detail["ctx"]["error"])
        return f"{place(detail['loc'])}: {text}" if place(detail["loc"]) else text
    if detail["type"] == "json_invalid":
        return f"{place(()) or _name(cls)} expects text, numbers, lists and names with values: {detail['msg']}."
    key = str(detail["loc"][0]) if detail["loc"] else ""
    value = content[key] if key in base else detail["input"]
    words = _expected(cls, detail, base.get(key))
    return f"{place(detail['loc']) or _name(cls)} expects {words}, found {shown(value)}."


def _expected(cls: type, detail: ErrorDetails, example: Any) -> str:
    """What was expected: a value like the example if there is one, but of a range its bound."""
    kind = detail["type"]
    bounds = next((m for m in _annotations_at(cls, detail["loc"]) if isinstance(m, Bounds)), None)
    if kind in _OF_RANGES and bounds is not None:
        return str(bounds)
    if example is not None and (kind.endswith("_type") or kind in _LENGTHS):
        return f"a value like {example!r}" if isinstance(example, str) else f"a value like {_compact(example)}"
    if kind in _LENGTHS and detail["loc"]:
        arguments = typing.get_args(_type_at(cls, [p for p in detail["loc"] if isinstance(p, str)]))
        return f"a list of {len(arguments)} values" if len(arguments) > 1 else detail["msg"]
    if kind == "literal_error":
        return f"one of {', '.join(map(str, typing.get_args(_type_at(cls, detail['loc']))))}"
    return _EXPECTED.get(kind, detail["msg"]).format_map(detail.get("ctx", {}))


def _compact(value: Any) -> str:
    """JSON without spaces, as it is typed on a command line."""
    return json.dumps(value, separators=(",", ":"))


def _name(cls: Any) -> str:
    return str(getattr(cls, "__name__", cls))


def _type_at(cls: Any, path: Sequence[int | str]) -> Any:
    """The type of what lies at ``path`` below a type, bare of annotations and ``None``."""
    return _bare(_hint_at(cls, path))


def _annotations_at(cls: Any, path: Sequence[int | str]) -> tuple[Any, ...]:
    """The annotations of what lies at ``path`` below a type."""
    hint = _hint_at(cls, path)
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        hint = next(a for a in typing.get_args(hint) if a is not types.NoneType)
    return typing.get_args(hint)[1:] if typing.get_origin(hint) is Annotated else ()


def _hint_at(cls: Any, path: Sequence[int | str]) -> Any:
    hint = cls
    for step in path:
        cls = _bare(hint)
        if dataclasses.is_dataclass(cls):
            hint = typing.get_type_hints(cls, include_extras=True)[str(step)]
            continue
        arguments = typing.get_args(cls)
        if typing.get_origin(cls) is dict:
            hint = arguments[1]
        elif isinstance(step, int) and Ellipsis not in arguments:
            hint = arguments[min(step, len(arguments) - 1)]
        else:
            hint = arguments[0]
    return hint


def _bare(kind: Any) -> Any:
    if typing.get_origin(kind) is Annotated:
        return _bare(typing.get_args(kind)[0])
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        return _bare(next(a for a in typing.get_args(kind) if a is not types.NoneType))
    return kind
