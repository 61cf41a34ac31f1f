"""Classes of a dataset: names and numbers as nnU-Net takes them, or refused before anything is made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nnunet_uad.common.schema import shown

BACKGROUND, IGNORE = "background", "ignore"
#: More numbers than files of labels hold.
_MOST_LABELS = 2**16


def check_classes(labels: Mapping[str, Any]) -> None:
    """Refuse classes that nnU-Net's LabelManager or its verification of datasets refuses, or would mix up.

    Args:
        labels: Name of a class → its number or, of a region, its numbers.

    Raises:
        ValueError: The numbers are no numbers, do not begin with the background's 0, have gaps or mean two classes, or
            the ignore label is not the highest; names the class, what is expected and what was found.
    """
    if labels and all(name.isdigit() and isinstance(value, str) for name, value in labels.items()):
        turned = ", ".join(f'"{value}": {name}' for name, value in list(labels.items())[:3])
        raise ValueError(
            f"labels expects a name → its number, found a number → its name, {shown(dict(labels))}. Turn them round, "
            f"as nnU-Net v2 has them: {{{turned[:200]}}}"
        )
    for name, value in labels.items():
        _check_class(name, value)
    if labels.get(BACKGROUND) != 0:
        found = shown(labels[BACKGROUND]) if BACKGROUND in labels else f"no such name among {shown(list(labels))}"
        raise ValueError(f"labels: {BACKGROUND} expects 0, found {found}.")
    _refuse_twins(labels)
    numbers = _numbers(labels)
    if numbers != list(range(len(numbers))):
        gap = next(n for n, number in enumerate(numbers) if n != number)
        raise ValueError(
            f"labels expects whole numbers from 0 without gaps, found {shown(numbers)}: {gap} is missing. Number the "
            "classes one after the other, in the files of the labels, too."
        )
    if labels.get(IGNORE, len(numbers)) != len(numbers):
        raise ValueError(
            f"labels: {IGNORE} expects {len(numbers)}, one more than all others, found {shown(labels[IGNORE])}."
        )


def check_order(labels: Mapping[str, Any], order: Sequence[int] | None) -> None:
    """Refuse regions without the order in which they are painted, or with one that does not fit.

    Args:
        labels: Classes, of :func:`check_classes`.
        order: Content of ``regions_class_order``, a label for each region.

    Raises:
        ValueError: There are regions, and another order is needed; names what is expected and what was found.
    """
    if not any(isinstance(value, list) and len(value) > 1 for value in labels.values()):
        return
    regions = [name for name, value in labels.items() if name != IGNORE and value not in (0, [0])]
    foreground = set(_numbers(labels)) - {0}
    if order is None or len(order) != len(regions) or len(set(order)) < len(order) or not set(order) <= foreground:
        found = "none" if order is None else shown(list(order))
        raise ValueError(
            f"regions_class_order expects a label for each of the {len(regions)} regions ({shown(regions)}), each "
            f"another one of {shown(sorted(foreground))}, found {found}."
        )


def class_names(dataset_json: Mapping[str, Any]) -> dict[int, str]:
    """Names of what segmentations hold: value → class, or the region that nnU-Net paints with it.

    Args:
        dataset_json: Content of a ``dataset.json`` that :func:`check_classes` and :func:`check_order` take.

    Example:
        >>> class_names({"labels": {"background": 0, "lesion": 1, "ignore": 2}})
        {1: 'lesion'}
        >>> labels = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": 3}
        >>> class_names({"labels": labels, "regions_class_order": [1, 2, 3]})
        {1: 'whole', 2: 'core', 3: 'enhancing'}
    """
    foreground = {n: v for n, v in dataset_json["labels"].items() if n != IGNORE and v not in (0, [0])}
    if any(isinstance(value, list) and len(value) > 1 for value in foreground.values()):
        return dict(zip(dataset_json["regions_class_order"], foreground, strict=True))
    return {value[0] if isinstance(value, list) else value: name for name, value in foreground.items()}


def with_ignore_label(dataset_json: Mapping[str, Any]) -> dict[str, Any]:
    """The dataset's description with an ignore label, as nnU-Net wants it: the highest value.

    Args:
        dataset_json: Content of a ``dataset.json`` that :func:`check_classes` takes.

    Example:
        >>> with_ignore_label({"labels": {"background": 0, "lesion": 1}})
        {'labels': {'background': 0, 'lesion': 1, 'ignore': 2}}
    """
    labels = dict(dataset_json["labels"])
    if IGNORE not in labels:
        values = [v for entry in labels.values() for v in (entry if isinstance(entry, (list, tuple)) else [entry])]
        labels[IGNORE] = int(max(values)) + 1
    return {**dataset_json, "labels": labels}


def _check_class(name: str, value: Any) -> None:
    values = value if isinstance(value, list) else [value]
    if not name.strip():
        raise ValueError(f"labels expects a name of every class, found {shown(name)} for {shown(value)}.")
    if not values or not all(_is_label(v) for v in values) or (name == IGNORE and isinstance(value, list)):
        several = "" if name in (BACKGROUND, IGNORE) else ", or a list of them"
        raise ValueError(f"labels: {name} expects a whole number{several}, found {shown(value)}.")
    if len(set(values)) < len(values):
        raise ValueError(f"labels: {name} expects each number once, found {shown(value)}.")


def _refuse_twins(labels: Mapping[str, Any]) -> None:
    """Two names of the same numbers are one class to nnU-Net; nobody knows which was meant."""
    seen: dict[frozenset[int], str] = {}
    for name, value in labels.items():
        numbers = frozenset(value if isinstance(value, list) else [value])
        if numbers in seen:
            raise ValueError(
                f"labels: {name} expects a number of its own, found {shown(value)}, that of {seen[numbers]}."
            )
        seen[numbers] = name


def _numbers(labels: Mapping[str, Any]) -> list[int]:
    values = (value if isinstance(value, list) else [value] for name, value in labels.items() if name != IGNORE)
    return sorted({number for numbers in values for number in numbers})


def _is_label(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST_LABELS
