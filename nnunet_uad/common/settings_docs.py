"""What settings mean: read from the ``Attributes:`` of their dataclasses, the one place where it is written."""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nnunet_uad.common.bounds import Bounds, bounds_of
from nnunet_uad.common.settings import typed

_INTRODUCTION = """# Settings

Written by `nnunet_uad settings --markdown > docs/settings.md` from the docstrings of the settings; change those.
How to set them, by a variable or in plans: [tuning a run](tuning.md). Those of one trainer:
`nnunet_uad settings --list -tr nnUNetPretrainerDAE`.

A setting stands where it is declared; where others take another default, it stands there again. Settings of one trainer
alone stand on the page of its method, see the [table of trainers](../README.md).
"""

_ENTRY = re.compile(r" {4}(\w+): (.*)")
_UNIT_OF_NAME = {"_mm3": "mm³", "_mm": "mm"}
_UNITS = re.compile(r"\b(mm³|mm²|mm|voxels|z-score units|epochs|time steps|degrees)\b")


@dataclass(frozen=True)
class Setting:
    """A row of the table of settings.

    Attributes:
        name: Key, as it is typed.
        default: Value as it is typed, without spaces.
        meaning: Text of the docstring, in Markdown.
        unit: Unit, as far as name or text tell; else empty.
        range: Interval of the values that it takes, ``(0, 1]``; empty for words.
    """

    name: str
    default: str
    meaning: str
    unit: str
    range: str = ""


def settings_rows(cls: type, own_only: bool = False) -> list[Setting]:
    """The settings of a dataclass.

    Args:
        cls: Settings dataclass whose fields all have defaults.
        own_only: Whether to leave out what a parent says already: name, default and meaning.
    """
    defaults, own = cls(), inspect.get_annotations(cls)
    names = [f.name for f in dataclasses.fields(cls) if not own_only or f.name in own]
    texts = meanings(cls)
    hints = typing.get_type_hints(cls, include_extras=True)
    return [_setting(name, getattr(defaults, name), texts[name], bounds_of(hints[name])) for name in names]


def _setting(name: str, default: Any, meaning: str, bounds: Bounds | None) -> Setting:
    suffix = next((unit for end, unit in _UNIT_OF_NAME.items() if name.endswith(end)), "")
    is_number = not isinstance(default, (str, bool))
    words = _UNITS.search(meaning) if is_number else None
    unit = suffix or (words[1] if words else "")
    return Setting(name, typed(default), meaning, unit, bounds.interval if bounds else "")


def meanings(cls: type) -> dict[str, str]:
    """Name of a field → its text, from the nearest class that has one.

    Args:
        cls: Dataclass whose docstring says what its fields are.

    Raises:
        ValueError: A field has no text.
    """
    texts: dict[str, str] = {}
    for parent in reversed(cls.__mro__):
        if dataclasses.is_dataclass(parent):
            texts |= attribute_texts(parent)
    missing = [f.name for f in dataclasses.fields(cls) if f.name not in texts]
    if missing:
        raise ValueError(f"{cls.__name__} does not say what {', '.join(missing)} means; add it to its Attributes.")
    return texts


def attribute_texts(cls: type) -> dict[str, str]:
    """Entries of the ``Attributes:`` in a class's own docstring: name → text on one line, in Markdown."""
    lines = inspect.cleandoc(cls.__dict__.get("__doc__") or "").splitlines()
    entries: dict[str, list[str]] = {}
    if "Attributes:" in lines:
        for line in lines[lines.index("Attributes:") + 1 :]:
            start = _ENTRY.fullmatch(line)
            if start:
                entries[start[1]] = [start[2]]
            elif line.startswith(" " * 8) and entries:
                entries[next(reversed(entries))].append(line.strip())
            elif line.strip():
                break
    return {name: _markdown(" ".join(texts)) for name, texts in entries.items()}


def _markdown(text: str) -> str:
    """``code`` and :func:`references` of Sphinx → `code`."""
    text = re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", text)
    return text.replace("``", "`")


def settings_sections(classes: Mapping[str, type]) -> Iterator[tuple[str, list[str], list[Setting]]]:
    """All settings, each once, by the dataclass that declares it.

    Args:
        classes: Name of a trainer → its settings dataclass.

    Yields:
        What the dataclass is for, the trainers that take its settings, and the settings: first what most take.
    """
    declared: dict[type, list[str]] = {}
    for trainer, cls in classes.items():
        for parent in cls.__mro__:
            if dataclasses.is_dataclass(parent) and inspect.get_annotations(parent):
                declared.setdefault(parent, []).append(trainer)
    for cls, trainers in sorted(declared.items(), key=lambda item: -len(item[1])):
        rows = settings_rows(cls, own_only=True)
        if rows:
            yield inspect.cleandoc(cls.__doc__ or "").splitlines()[0].rstrip("."), trainers, rows


def markdown_table(rows: Sequence[Setting]) -> str:
    """Rows as a Markdown table."""
    lines = ["| key | default | range | meaning |", "|---|---|---|---|"]
    for row in rows:
        meaning = row.meaning.replace("|", "\\|")
        lines.append(f"| `{row.name}` | {row.default} | {row.range} | {meaning} |")
    return "\n".join(lines)


def settings_page(classes: Mapping[str, type]) -> str:
    """``docs/settings.md``: what several trainers take; it names no trainer, so that a new method leaves it as it is.

    Args:
        classes: Name of a trainer → its settings dataclass, of all trainers.
    """
    parts = [_INTRODUCTION]
    for summary, trainers, rows in settings_sections(classes):
        if len(trainers) > 1:
            parts.append(f"## {summary}\n\n{markdown_table(rows)}\n")
    return "\n".join(parts)


def own_tables(classes: Mapping[str, type]) -> dict[str, str]:
    """Name of a trainer → Markdown table of what it alone takes, for the page of its method.

    Args:
        classes: Name of a trainer → its settings dataclass, of all trainers.
    """
    sections = settings_sections(classes)
    return {trainers[0]: markdown_table(rows) for _, trainers, rows in sections if len(trainers) == 1}


def trainers_in_words(trainers: Sequence[str], everyone: Sequence[str]) -> str:
    """Names of trainers, or what they have in common if it is all of a kind.

    Args:
        trainers: Names to list.
        everyone: Names of all trainers.
    """
    kinds = {
        "All trainers": "nnUNet",
        "All pretrainers": "nnUNetPretrainer",
        "All supervised trainers": "nnUNetTrainer",
    }
    for words, start in kinds.items():
        if sorted(trainers) == sorted(n for n in everyone if n.startswith(start)):
            return words
    return ", ".join(f"`{name}`" for name in trainers)
