"""Settings of a run, read from one environment variable.

nnU-Net hands its trainers no command line arguments, so a run is tuned like this::

    nnUNet_uad_settings="noise_std=[0.3,0.8] num_samples=5" nnUNetv2_train ...

Every trainer has a frozen dataclass of settings; keys and types are checked against it.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from nnunet_uad.common.schema import build, check, shown

SETTINGS_VARIABLE = "nnUNet_uad_settings"

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Settings:
    """Base of all settings, which are composed of sections, ``class XSettings(XSection, FineTuneSettings)``.

    A section is a frozen dataclass that derives from this class alone. Every number carries its bounds as an annotation
    (:mod:`~nnunet_uad.common.bounds`), which are checked whenever settings are made. What no annotation can say its
    ``__post_init__`` checks, which calls ``super().__post_init__()``, so every section of a composed class is checked.
    """

    #: Name of a setting → value that trainings had before there was the setting; sections add theirs.
    before: ClassVar[dict[str, Any]] = {}
    #: Names of the settings that name a file or folder: of one machine, and of no concern to who gets the weights.
    paths: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        """Check the values against their annotations; each section adds what those cannot say."""
        check(self)

    def check_given(self, keys: Collection[str]) -> None:
        """Refuse what somebody said that has no effect beside the rest, even if it is the default; sections add theirs.

        Args:
            keys: Names of the settings that somebody gave.
        """

    @classmethod
    def at_first(cls) -> dict[str, Any]:
        """Name of a setting → value that trainings had before there was the setting, of all sections."""
        together: dict[str, Any] = {}
        for parent in reversed(cls.__mro__):
            together |= vars(parent).get("before", {})
        return together

    @classmethod
    def without_folders(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values of settings as files keep them: of what names a file or folder the last name alone.

        Args:
            values: Values by the names of the settings, JSON.
        """
        return without_folders(values, {name for parent in cls.__mro__ for name in vars(parent).get("paths", ())})


def without_folders(values: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Values of settings with the last name alone of what some of them name.

    Args:
        values: Values by the names of the settings, JSON.
        names: Names of the settings that name a file or folder.

    Example:
        >>> without_folders({"init": "/mine/w.safetensors", "score": "sum"}, ["init"])
        {'init': 'w.safetensors', 'score': 'sum'}
    """
    return {k: (Path(v).name or v) if k in names and isinstance(v, str) else v for k, v in values.items()}


@contextmanager
def settings_from(source: str) -> Iterator[None]:
    """Say in every ``ValueError`` that is raised within where the settings come from.

    What checks a setting knows its name, not who set it: networks, scores and tasks raise without a prefix, and
    whoever read the settings calls them within this context.

    Args:
        source: Origin of the settings: ``nnUNet_uad_settings``, ``plans nnUNetPlans_strong``, ``--score``.

    Raises:
        ValueError: The error of the block, with ``source`` before its message.

    Example:
        >>> with settings_from("--score"):
        ...     raise ValueError("intensity_weight expects a number in [0, 1], found 5.")
        Traceback (most recent call last):
        ...
        ValueError: --score: intensity_weight expects a number in [0, 1], found 5.
    """
    try:
        yield
    except ValueError as error:
        if str(error).startswith(f"{source}: "):
            raise
        raise ValueError(f"{source}: {error}") from error


def parse_assignments(text: str) -> dict[str, Any]:
    """Turn ``key=value key=value`` into a dictionary; values are JSON, bare words are strings.

    Raises:
        ValueError: A word is not of the form ``key=value``, a key stands there twice, or a quote is not closed.
    """
    result: dict[str, Any] = {}
    try:
        words = shlex.split(text.replace('"', '\\"'))
    except ValueError as error:
        raise ValueError(f"expected key=value pairs, found a quote that is not closed in {shown(text)}.") from error
    for word in words:
        key, sep, value = word.partition("=")
        if not sep or not key:
            raise ValueError(
                f"expected key=value pairs separated by spaces, found {shown(word)} "
                "(example: learning_rate=0.001 seed=1; no spaces inside lists)."
            )
        if key in result:
            raise ValueError(f"{key} is set twice, to {shown(result[key])} and {shown(value)}. Say it once.")
        try:
            result[key] = json.loads(value, parse_float=_number)
        except (ValueError, RecursionError):
            result[key] = value
    return result


def assignments(values: Mapping[str, Any]) -> str:
    """The inverse of :func:`parse_assignments`: words that can be typed again."""
    words = [f"{key}={typed(value)}" for key, value in values.items()]
    return " ".join(f"'{word}'" if " " in word else word for word in words)


def joined(*texts: str) -> str:
    """Assignments one after the other; where a key stands in several, the last says what it is.

    Args:
        texts: Texts of assignments, each of which says a key once.

    Raises:
        ValueError: One of them is no list of assignments.

    Example:
        >>> joined("seed=1 mirroring=true", "", "seed=2")
        'seed=2 mirroring=true'
        >>> joined("warmup=0.10", "seed=2")
        'warmup=0.10 seed=2'
    """
    parts = [parse_assignments(text) for text in texts]
    together: dict[str, Any] = {}
    for part in parts:
        together |= part
    if len(together) == sum(map(len, parts)):
        return " ".join(text.strip() for text in texts if text.strip())
    return assignments(together)


def typed(value: Any) -> str:
    """A value as it is typed: JSON without spaces; a string bare, unless it would be read as something else."""
    written = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    if not isinstance(value, str):
        return written
    try:
        json.loads(value)
    except json.JSONDecodeError:
        return value
    return written


def _number(text: str) -> int | float:
    """1e3 and 5.0 are whole numbers, too."""
    value = float(text)
    return int(value) if value.is_integer() else value


def read_settings(
    cls: type[T], text: str | None = None, source: str = SETTINGS_VARIABLE, defaults: T | None = None
) -> T:
    """Build the settings dataclass ``cls`` from ``nnUNet_uad_settings`` (or from ``text``).

    Args:
        cls: Dataclass whose fields all have defaults.
        text: Assignments ``key=value key=value``; the environment variable's when omitted.
        source: Origin of the assignments, named by every error.
        defaults: Values of what is not assigned; the defaults of ``cls`` when omitted.

    Raises:
        ValueError: An unknown key (the nearest is suggested), a value of another type than the default, or one that
            the dataclass refuses.
    """
    with settings_from(source):
        given = parse_assignments(os.environ.get(SETTINGS_VARIABLE, "") if text is None else text)
        return build_settings(cls, given, cls() if defaults is None else defaults)


def build_settings(cls: type[T], given: Mapping[str, Any], defaults: T) -> T:
    """Build a settings dataclass of what somebody gave.

    Args:
        cls: Dataclass whose fields all have defaults.
        given: Names and values that were given.
        defaults: Values of what was not given.

    Raises:
        ValueError: What :func:`~nnunet_uad.common.schema.build` refuses, or settings without effect beside the rest.
    """
    made = build(cls, given, base=defaults)
    if isinstance(made, Settings):
        made.check_given(given.keys())
    return made


def refuse_without_effect(unused: Collection[str], beside: str, instead: str) -> None:
    """Refuse settings that somebody gave and that nothing looks at.

    Args:
        unused: Names of the settings; with none there is nothing to refuse.
        beside: Words for what they have no effect beside.
        instead: Words for what to do if they are meant.

    Raises:
        ValueError: There are such settings; names all of them.
    """
    if unused:
        raise ValueError(f"{', '.join(sorted(unused))} has no effect {beside}: leave it out, or {instead}.")


def check_choices(settings: Any, choices: Mapping[str, Sequence[str]]) -> None:
    """Refuse settings that are none of their choices.

    Args:
        settings: Settings dataclass.
        choices: Name of a setting → values that it may have.

    Raises:
        ValueError: Naming setting, choices and what was found.
    """
    for name, possible in choices.items():
        if getattr(settings, name) not in possible:
            found = shown(getattr(settings, name))
            raise ValueError(f"{name} expects one of {', '.join(possible)}, found {found}.")


def settings_to_json(settings: Any) -> dict[str, Any]:
    """The settings dataclass as a dictionary that survives a JSON round trip."""
    return json.loads(json.dumps(dataclasses.asdict(settings)))
