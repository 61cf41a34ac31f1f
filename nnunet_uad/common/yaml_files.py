"""YAML files that people write: small, of finite depth, every key once, or refused with the line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nnunet_uad.common.schema import shown

#: What a file may hold: bytes, values as written, values after aliases are expanded, values inside values.
_BYTES, _WRITTEN, _VALUES, _DEPTH = 10**6, 25_000, 10**5, 30


def read_yaml(path: str | Path) -> Any:
    """The content of a YAML file.

    Args:
        path: File to read.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is no YAML or no UTF-8, holds a key twice, is nested too deeply, or its aliases mean more
            values than anybody writes; names file and line.
    """
    import yaml

    path = Path(path)
    data = path.read_bytes()
    if len(data) > _BYTES:
        raise ValueError(f"{path} expects at most {_BYTES} bytes, found {len(data)}.")
    try:
        text = _decoded(data)
        _refuse_large(text)
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _check(node, {})
        return loader.construct_document(node)
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"{path} is not valid YAML: {str(error)[:1000]}") from error


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ValueError(f"line {line} is no UTF-8 text ({error.reason}). Save the file as UTF-8.") from error


def _refuse_large(text: str) -> None:
    """Refuse many values, or values inside values, before all of them are made: that takes minutes."""
    import yaml

    depth = 0
    for count, event in enumerate(yaml.parse(text, yaml.SafeLoader)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEPTH:
            raise ValueError(f"line {event.start_mark.line + 1} is nested too deeply.")
        if count > _WRITTEN:
            raise ValueError(f"it holds more than {_WRITTEN} values, the last in line {event.start_mark.line + 1}.")


def _check(node: Any, sizes: dict[int, int | None], depth: int = 0) -> int:
    """Number of values that a node means, aliases expanded; refuses what is not written by hand."""
    import yaml

    line = node.start_mark.line + 1
    if depth > _DEPTH:
        # Of aliases: what is written so deep is refused before.
        raise ValueError(f"line {line} is nested too deeply.")
    if id(node) in sizes:
        size = sizes[id(node)]
        if size is None:
            raise ValueError(f"line {line} holds an alias of itself.")
        return size
    sizes[id(node)] = None
    size = 1
    if isinstance(node, yaml.MappingNode):
        _refuse_twice([key for key, _ in node.value if isinstance(key, yaml.ScalarNode)])
        size += sum(_check(part, sizes, depth + 1) for pair in node.value for part in pair)
    elif isinstance(node, yaml.SequenceNode):
        size += sum(_check(part, sizes, depth + 1) for part in node.value)
    if size > _VALUES:
        raise ValueError(f"line {line} means more than {_VALUES} values; write fewer, without aliases (*name).")
    sizes[id(node)] = size
    return size


def _refuse_twice(keys: Sequence[Any]) -> None:
    lines: dict[str, int] = {}
    for key in keys:
        line = key.start_mark.line + 1
        if key.value in lines:
            raise ValueError(f"the key {shown(key.value)} stands there twice, in lines {lines[key.value]} and {line}.")
        lines[key.value] = line
