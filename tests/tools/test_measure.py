"""The measures of tools/measure.py, on a project small enough to count by hand."""

from __future__ import annotations

import re

import pytest
from floors import ROOT
from measure import MEASURES, Area, areas_of, table

SOURCE = '''"""A module; see https://example.org."""

import numpy as np
from nnunet_uad import second


# A comment.
class Pair(tuple, list):
    """Two.

    Attributes:
        a: of the pair.
        b: Second of the pair.
    """

    def area(self, image: np.ndarray) -> np.ndarray:
        """Sum of an image (C, y, x).

        >>> 1 + 1
        """
        found = image
        if not len(found):
            raise ValueError("empty")
        return found

    def untold(self, image: np.ndarray) -> None:
        assert image is not None
        raise ValueError

def untyped(a):
    """Words."""
    def inner(): return a
    return inner
'''
TEST = """
def test_it():
    with pytest.raises(ValueError, match="empty"):
        pass
    with pytest.raises(ValueError):
        pass
"""


@pytest.fixture
def area(tmp_path):
    for folder in ("nnunet_uad", "pretrain", "trainers", "tests"):
        (tmp_path / folder).mkdir()
    (tmp_path / "nnunet_uad" / "first.py").write_text(SOURCE)
    (tmp_path / "nnunet_uad" / "second.py").write_text("from nnunet_uad import first\n")
    (tmp_path / "pretrain" / "__init__.py").write_text('"""Wing."""\n')
    (tmp_path / "nnunet_uad" / "pretrain").symlink_to("../pretrain")
    (tmp_path / "tests" / "test_first.py").write_text(TEST)
    return areas_of(tmp_path)[0]


EXPECTED = {
    "files / lines": "3 / 35",
    "file lines, median/p90": "1/33",
    "function lines, median/p90": "4/9",
    "…without docstring": "3/5",
    "bodies over 60 lines": "0 %",
    "copied function lines (AST, ≥ 8)": "0 %",
    "documented public functions/modules": "50 % / 67 %",
    "public tensor functions naming a shape": "1 of 2",
    "fully annotated": "50 %",
    "comment-only lines": "2.9 %",
    "multi-base classes": "100 %",
    "`raise` with message; asserts per raise": "50 %; 0.50",
    "test/source lines; same-named tests": "0.17; 50 %",
    "`raises` tests that match the message": "1 of 2",
    "Args/Attributes entries starting with a preposition": "50 % of 2",
    "…that are no noun phrase by the rule": "1",
    "docstrings with an example; with a link": "1 of 3; 1",
    "variables named found, there, mine, theirs": "3",
    "circles of packages; of files": "1; 1",
}


@pytest.mark.parametrize("label", EXPECTED)
def test_counted_by_hand(area, label):
    assert MEASURES[label](area) == EXPECTED[label]


def test_copies_are_found_whatever_their_names(tmp_path):
    body = "\n".join(f"    x{k} = {k}" for k in range(8))
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "a.py").write_text(f"def one():\n{body}\n\n\ndef other():\n    'Words.'\n{body}\n")
    (tmp_path / "package" / "b.py").write_text("def short():\n    return 1\n")
    assert MEASURES["copied function lines (AST, ≥ 8)"](Area(tmp_path, ["package"], "package")) == "76 %"


@pytest.fixture(scope="module")
def ours():
    return areas_of(ROOT)[0]


@pytest.mark.parametrize(
    ("label", "aim"),
    {
        "bodies over 60 lines": "0 %",
        "copied function lines (AST, ≥ 8)": "0 %",
        "documented public functions/modules": "100 % / 100 %",
        "public tensor functions naming a shape": r"(\d+) of \1",
        "fully annotated": "100 %",
        "…and read by mypy": "100 %",
        "`raise` with message; asserts per raise": r"100 %; 0\.00",
        "test/source lines; same-named tests": r"0\.\d+; 100 %",
        "`raises` tests that match the message": r"(\d+) of \1",
        "Args/Attributes entries starting with a preposition": r"0 % of \d+",
        "circles of packages; of files": "0; 0",
    }.items(),
)
def test_the_source_keeps_to_the_aims(ours, label, aim):
    """``python tools/measure.py`` shows where a number comes from."""
    assert re.fullmatch(aim, MEASURES[label](ours))


def test_every_measure_is_a_row_and_every_area_a_column():
    lines = table([Area(ROOT, ["tools"], "tools"), Area(ROOT, ["benchmarks"], "benchmarks")]).splitlines()
    assert len(lines) == 2 + len(MEASURES) and lines[0] == "|  | tools | benchmarks |"
    assert "| …and read by mypy | 100 % | 100 % |" in lines
