"""Settings of a run, read from one environment variable.

nnU-Net hands its trainers no command line arguments, so a run is tuned like this::

    nnUNet_uad_settings="noise_std=[0.3,0.8] num_samples=5" nnUNetv2_train ...

Every trainer has a frozen dataclass of settings; keys and types are checked against it.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import os
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

SETTINGS_VARIABLE = "nnUNet_uad_settings"

#: Metadata of a field whose tuple may have any length: ``field(default=(1, 2), metadata={ANY_LENGTH: True})``.
ANY_LENGTH = "any_length"

T = TypeVar("T")


def parse_assignments(text: str) -> dict[str, Any]:
    """Turn ``key=value key=value`` into a dictionary; values are JSON, bare words are strings.

    Raises:
        ValueError: if a word is not of the form ``key=value``.
    """
    result: dict[str, Any] = {}
    for word in shlex.split(text.replace('"', '\\"')):
        key, sep, value = word.partition("=")
        if not sep or not key:
            raise ValueError(
                f"{SETTINGS_VARIABLE}: expected key=value pairs separated by spaces, found {word!r} "
                f'(example: {SETTINGS_VARIABLE}="learning_rate=0.001 seed=1"; no spaces inside lists).'
            )
        try:
            result[key] = json.loads(value)
        except json.JSONDecodeError:
            result[key] = value
    return result


def read_settings(cls: type[T], text: str | None = None, defaults: T | None = None) -> T:
    """Build the settings dataclass ``cls`` from ``nnUNet_uad_settings`` (or from ``text``).

    Args:
        cls: a dataclass whose fields all have defaults.
        text: the assignments; the environment variable when omitted.
        defaults: what is not assigned; the defaults of ``cls`` when omitted.

    Raises:
        ValueError: unknown key (the nearest is suggested) or a value of another type than the default.
    """
    given = parse_assignments(os.environ.get(SETTINGS_VARIABLE, "") if text is None else text)
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in given:
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(
                f"{SETTINGS_VARIABLE}: {cls.__name__} has no setting {key!r}.{hint} It has: {', '.join(fields)}."
            )
    defaults = cls() if defaults is None else defaults
    values = {
        key: _coerce(key, value, getattr(defaults, key), bool(fields[key].metadata.get(ANY_LENGTH)))
        for key, value in given.items()
    }
    return dataclasses.replace(defaults, **values)  # type: ignore[type-var]


def _coerce(key: str, value: Any, default: Any, any_length: bool = False) -> Any:
    """Check ``value`` against the type of ``default``; lists become tuples of the same length, unless any will do."""
    wrong = ValueError(f"{SETTINGS_VARIABLE}: {key} expects a value like {default!r}, found {value!r}.")
    if default is None:
        if isinstance(value, (dict, list)):
            raise wrong
        return value
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise wrong
        return value
    if isinstance(default, tuple):
        if not isinstance(value, list) or not (any_length or len(value) == len(default)):
            raise wrong
        if any_length:
            return tuple(_coerce(key, v, default[0]) for v in value)
        return tuple(_coerce(key, v, d) for v, d in zip(value, default, strict=True))
    if isinstance(default, (int, float)):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise wrong
        if isinstance(default, int) and not float(value).is_integer():
            raise wrong
        return type(default)(value)
    if not isinstance(value, str):
        raise wrong
    return value


def check_choices(settings: Any, choices: Mapping[str, Sequence[str]]) -> None:
    """Refuse settings that are none of their choices.

    Args:
        settings: a settings dataclass.
        choices: name of a setting → what it may be.

    Raises:
        ValueError: naming setting, choices and what was found.
    """
    for name, possible in choices.items():
        if getattr(settings, name) not in possible:
            raise ValueError(
                f"{SETTINGS_VARIABLE}: {name} expects one of {', '.join(possible)}, found {getattr(settings, name)!r}."
            )


def settings_to_json(settings: Any) -> dict[str, Any]:
    """The settings dataclass as a dictionary that survives a JSON round trip."""
    return json.loads(json.dumps(dataclasses.asdict(settings)))
