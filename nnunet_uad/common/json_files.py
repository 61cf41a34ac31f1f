"""JSON files that others wrote, or that a crash cut short: read whole and of the right form, or refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from nnunet_uad.common.schema import build, shown

T = TypeVar("T")

_KINDS = {dict: "names with values", list: "a list", str: "text", bool: "true or false", type(None): "null"}


def read_json(path: str | Path, fix: str = "") -> Any:
    """The content of a JSON file.

    Args:
        path: File to read.
        fix: Sentence that says what to do, for the errors.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is no JSON: empty, cut off, binary, of endless depth, or with a key twice.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(_sentence(f"{path} does not exist.", fix))
    try:
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_once)
    except RecursionError as error:
        raise ValueError(_sentence(f"{path} is not valid JSON: it is nested too deeply.", fix)) from error
    except ValueError as error:
        reason = "it is empty" if path.stat().st_size == 0 else error
        raise ValueError(_sentence(f"{path} is not valid JSON: {reason}.", fix)) from error


def read_mapping(path: str | Path, fix: str = "", form: Any = None) -> dict[str, Any]:
    """The content of a JSON file that holds names with values.

    Args:
        path: File to read.
        fix: Sentence that says what to do, for the errors.
        form: Dataclass that says which keys must be there and of which type they are; others may stand beside them.

    Returns:
        The content as it was written.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is no JSON, or of another form; names file, key, what is expected and what was found.
    """
    content = read_json(path, fix)
    if not isinstance(content, dict):
        kind = next((words for cls, words in _KINDS.items() if isinstance(content, cls)), "a number")
        message = f"{path} expects names with values, {{…}}, found {kind}: {shown(content)}."
        raise ValueError(_sentence(message, fix))
    if form is not None:
        _checked(form, content, path, fix)
    return content


def read_as(kind: type[T], path: str | Path, fix: str = "") -> T:
    """The content of a JSON file as a dataclass, or another type that pydantic knows; unknown keys are left out.

    Args:
        kind: Type of the content.
        path: File to read.
        fix: Sentence that says what to do, for the errors.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is no JSON, or of another form; names file, key, what is expected and what was found.
    """
    return _checked(kind, read_json(path, fix), path, fix)


def _checked(kind: type[T], content: Any, path: str | Path, fix: str) -> T:
    try:
        return build(kind, content, str(path), ignore_unknown=True)
    except ValueError as error:
        raise ValueError(_sentence(str(error), fix)) from error


def _sentence(message: str, fix: str) -> str:
    return f"{message} {fix}".rstrip()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The mapping of these pairs, unless a key stands there twice: nobody knows which is meant."""
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {shown(twice)} stands there twice")
    return content
