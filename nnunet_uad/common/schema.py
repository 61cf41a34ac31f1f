"""Mappings read from YAML → frozen dataclasses, with errors that say which key was meant."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


def build(cls: type[T], content: Any, where: str) -> T:
    """Build a dataclass from a mapping; nested dataclasses from nested mappings.

    Args:
        cls: its fields are the keys; those without default are required.
        content: as YAML gives it.
        where: for errors, for example ``study.yaml: pretraining``.

    Raises:
        ValueError: no mapping, an unknown key (the nearest is suggested), a missing key or a wrong type.
    """
    if not isinstance(content, Mapping):
        raise ValueError(f"{where} expects keys with values, found {content!r}.")
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    refuse_unknown(content, fields, where)
    required = [n for n, f in fields.items() if f.default is f.default_factory is dataclasses.MISSING]
    missing = [n for n in required if n not in content]
    if missing:
        raise ValueError(f"{where} lacks {', '.join(missing)}.")
    hints = typing.get_type_hints(cls)
    return cls(**{key: convert(hints[key], value, f"{where}: {key}") for key, value in content.items()})


def refuse_unknown(found: Iterable[Any], known: Iterable[str], where: str) -> None:
    """Raise ValueError for a key that is none of ``known``, suggesting the nearest."""
    known = list(known)
    for key in found:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"{where} has no key {key!r}.{hint} It has: {', '.join(known)}.")


def convert(kind: Any, value: Any, where: str) -> Any:
    """``value`` as the type ``kind``: a scalar, an optional, a tuple, a dictionary or a dataclass.

    Raises:
        ValueError: it is of another type.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        return convert(next(a for a in arguments if a is not types.NoneType), value, where)
    if dataclasses.is_dataclass(kind):
        return build(kind, {} if value is None else value, where)  # type: ignore[arg-type]
    if origin is tuple:
        values = value if isinstance(value, (list, tuple)) else [value]
        return tuple(convert(arguments[0], v, where) for v in values)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise ValueError(f"{where} expects names with values, found {value!r}.")
        return {str(k): convert(arguments[1], v, f"{where}: {k}") for k, v in value.items()}
    return _scalar(kind, value, where)


def _scalar(kind: Any, value: Any, where: str) -> Any:
    wanted = {bool: "true or false", int: "a whole number", float: "a number", str: "a word or text"}
    if kind is Any:
        return value
    # A number is a fine name for a dataset, and 1 a fine number for 1.0; true is neither.
    fits = {
        bool: isinstance(value, bool),
        int: isinstance(value, int) and not isinstance(value, bool),
        float: isinstance(value, (int, float)) and not isinstance(value, bool),
        str: isinstance(value, (str, int)) and not isinstance(value, bool),
    }
    if not fits[kind]:
        raise ValueError(f"{where} expects {wanted[kind]}, found {value!r}.")
    return kind(value)
