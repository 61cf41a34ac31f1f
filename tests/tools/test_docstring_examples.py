"""Examples of docstrings are shown as code on the site."""

import doctest
from types import SimpleNamespace

import pytest

pytest.importorskip("griffe", reason="pip install '.[docs]'")
import docstring_examples


def test_the_section_gets_the_name_that_is_known():
    assert doctest.testmod(docstring_examples) == (0, 1)
    text = "Example: not a section.\n\nExample:\n    >>> 1\n"
    thing = SimpleNamespace(docstring=SimpleNamespace(value=text))
    docstring_examples.ExampleSections().on_instance(obj=thing)
    assert thing.docstring.value == "Example: not a section.\n\nExamples:\n    >>> 1\n"
    docstring_examples.ExampleSections().on_instance(obj=SimpleNamespace(docstring=None))
