"""An extension of griffe, which reads docstrings for the site: ``Example:`` is shown as code, as ``Examples:`` is."""

from __future__ import annotations

import re
from typing import Any

import griffe

_HEADING = re.compile(r"^(\s*)Example:(?=\n)", re.MULTILINE)


class ExampleSections(griffe.Extension):
    """Gives the sections the name that griffe knows."""

    def on_instance(self, *, obj: griffe.Object, **others: Any) -> None:
        """Rename the section in the docstring of an object, if it has one.

        Args:
            obj: Module, class, function or attribute that was read.
            **others: Further values that griffe hands to every extension.
        """
        if obj.docstring:
            obj.docstring.value = with_examples(obj.docstring.value)


def with_examples(text: str) -> str:
    r"""A docstring whose examples griffe finds.

    Args:
        text: Docstring of an object.

    Examples:
        >>> with_examples("Do.\n\nExample:\n    >>> 1")
        'Do.\n\nExamples:\n    >>> 1'
    """
    return _HEADING.sub(r"\1Examples:", text)
