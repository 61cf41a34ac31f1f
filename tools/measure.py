"""Measures how the source reads: sizes, documentation, types, errors, tests, prose, circles of imports.

    .venv/bin/python tools/measure.py                     # this project, its wings, studies and benchmarks
    .venv/bin/python tools/measure.py --root OTHER        # another state of it
    .venv/bin/python tools/measure.py nnunet_uad/cli      # a package of it beside the whole

Prints a Markdown table with a row per measure and a column per area. Tests are measured only where a row says so.
The environment is that of ``make install``: mypy is asked which files it reads.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import re
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from floors import ROOT, WINGS, circles, graph, package_graph
from prose import PREPOSITIONS, arguments_of, entries, fault, first_word

Function = ast.FunctionDef | ast.AsyncFunctionDef
#: Bodies of fewer lines are not called copies.
COPY_LINES = 8
LONG_BODY = 60
#: Types whose values have a shape.
TENSOR = re.compile(r"\bTensor\b|\bndarray\b")
#: "(B, C, *spatial)", "(*spatial)", "any shape", "a scalar".
SHAPE = re.compile(r"\([^()]*\w,[^()]*\)|\(\*\w+\)|\bshapes?\b|\bscalars?\b", re.IGNORECASE)
EXAMPLE = re.compile(r">>> |^ *Examples?:|::$|```", re.MULTILINE)
LINK = re.compile(r"https?://|\bdoi:|arxiv:", re.IGNORECASE)
#: Words that say nothing as names of variables.
EMPTY_NAMES = frozenset(("found", "there", "mine", "theirs"))


@dataclass(frozen=True)
class Source:
    """A parsed file.

    Attributes:
        path: File that was read.
        text: Content of the file.
        tree: Syntax tree of the content.
    """

    path: Path
    text: str
    tree: ast.Module

    @classmethod
    def read(cls, path: Path) -> Source:
        """Read and parse a file."""
        text = path.read_text(encoding="utf-8")
        return cls(path, text, ast.parse(text))

    @property
    def lines(self) -> int:
        """Number of lines, empty ones included."""
        return len(self.text.splitlines())

    def nodes(self, *kinds: type) -> Iterator[ast.AST]:
        """Every node of some kinds, at any depth."""
        return (node for node in ast.walk(self.tree) if isinstance(node, kinds))


class Area:
    """Files that are measured together, and the tests that belong to them.

    Args:
        root: Folder of the project, with ``nnunet_uad``, ``tests`` and the wings.
        folders: Folders below the root whose files are measured; links to folders are not followed.
        name: Heading of the column.
    """

    def __init__(self, root: Path, folders: Iterable[str], name: str) -> None:
        self.root, self.folders, self.name = root, tuple(folders), name

    @cached_property
    def sources(self) -> list[Source]:
        """Every Python file of the folders; the wings count once, where they really lie."""
        return [Source.read(p) for p in self._python_files(self.folders)]

    @cached_property
    def tests(self) -> list[Source]:
        """Files of the folders below ``tests`` that mirror those of the area."""
        inside = [f.removeprefix("nnunet_uad").strip("/") for f in self.folders]
        return [Source.read(p) for p in self._python_files(["tests" if not f else f"tests/{f}" for f in inside])]

    @cached_property
    def functions(self) -> list[Function]:
        """All functions and methods, nested ones included."""
        nodes = (n for s in self.sources for n in s.nodes(ast.FunctionDef, ast.AsyncFunctionDef))
        return [n for n in nodes if isinstance(n, Function)]

    @cached_property
    def public(self) -> list[Function]:
        """Functions without a leading underscore in their names."""
        return [f for f in self.functions if not f.name.startswith("_")]

    @cached_property
    def classes(self) -> list[ast.ClassDef]:
        """All classes."""
        return [n for s in self.sources for n in s.nodes(ast.ClassDef) if isinstance(n, ast.ClassDef)]

    @cached_property
    def docstrings(self) -> list[str]:
        """Docstrings of functions and classes."""
        texts = (ast.get_docstring(node) for node in (*self.functions, *self.classes))
        return [t for t in texts if t]

    def _python_files(self, folders: Iterable[str]) -> list[Path]:
        paths = sorted({p for f in folders for p in (self.root / f).rglob("*.py")})
        links = {self.root / "nnunet_uad" / wing for wing in WINGS}
        return [p for p in paths if not links & set(p.parents)]


def size(area: Area) -> str:
    """Files and their lines."""
    return f"{len(area.sources)} / {sum(s.lines for s in area.sources):,}"


def file_lines(area: Area) -> str:
    """Median and 90th percentile of the lines of a file."""
    return _median_p90([s.lines for s in area.sources])


def function_lines(area: Area) -> str:
    """The same of functions, from ``def`` to the last line; decorators do not count."""
    return _median_p90([_lines(f) for f in area.functions])


def function_lines_without_docstring(area: Area) -> str:
    """The same without the lines of the docstring."""
    return _median_p90([_lines(f) - _docstring_lines(f) for f in area.functions])


def long_bodies(area: Area) -> str:
    """Share of functions whose body, docstring excluded, has more than 60 lines."""
    return _percent(sum(_body_lines(f) > LONG_BODY for f in area.functions), len(area.functions))


def copied_lines(area: Area) -> str:
    """Lines of bodies of eight or more lines that occur again with the same syntax tree, of all lines of functions."""
    bodies = [(_body_digest(f), _body_lines(f)) for f in area.functions if _body_lines(f) >= COPY_LINES]
    times = Counter(digest for digest, _ in bodies)
    return _percent(sum(n for digest, n in bodies if times[digest] > 1), sum(_lines(f) for f in area.functions))


def documented(area: Area) -> str:
    """Shares of public functions and of modules with a docstring; functions within functions count, too."""
    modules = sum(ast.get_docstring(s.tree) is not None for s in area.sources)
    functions = sum(ast.get_docstring(f) is not None for f in area.public)
    return f"{_percent(functions, len(area.public))} / {_percent(modules, len(area.sources))}"


def shapes(area: Area) -> str:
    """Public functions with an array or tensor in their signature whose docstring names a shape."""
    tensors = [f for f in area.public if TENSOR.search(_signature(f))]
    named = sum(bool(SHAPE.search(ast.get_docstring(f) or "")) for f in tensors)
    return f"{named} of {len(tensors)}"


def annotated(area: Area) -> str:
    """Share of functions whose arguments (but ``self`` and ``cls``) and result all have a type."""
    complete = 0
    for function in area.functions:
        arguments = [a for a in arguments_of(function) if a.arg not in ("self", "cls")]
        complete += function.returns is not None and all(a.annotation is not None for a in arguments)
    return _percent(complete, len(area.functions))


def read_by_mypy(area: Area) -> str:
    """Share of the files that ``make lint``'s mypy reads."""
    from mypy_files import modules_of_mypy

    read = set(modules_of_mypy(area.root).values())
    return _percent(sum(s.path.resolve() in read for s in area.sources), len(area.sources))


def comment_lines(area: Area) -> str:
    """Share of lines that hold nothing but a comment."""
    lines = [line.strip() for s in area.sources for line in s.text.splitlines()]
    return f"{100 * sum(line.startswith('#') for line in lines) / max(1, len(lines)):.1f} %"


def several_bases(area: Area) -> str:
    """Share of classes with two or more bases."""
    return _percent(sum(len(c.bases) > 1 for c in area.classes), len(area.classes))


def errors(area: Area) -> str:
    """Share of raised new exceptions with a message (a raised variable is no new one); asserts per ``raise``."""
    raised = [n.exc for s in area.sources for n in s.nodes(ast.Raise) if isinstance(n, ast.Raise)]
    new = [e for e in raised if isinstance(e, ast.Call) or (isinstance(e, ast.Name) and e.id[0].isupper())]
    asserts = sum(1 for s in area.sources for _ in s.nodes(ast.Assert))
    messages = sum(isinstance(e, ast.Call) and bool(e.args) for e in new)
    return f"{_percent(messages, len(new))}; {asserts / max(1, len(raised)):.2f}"


def test_lines(area: Area) -> str:
    """Lines of tests per line of source, and modules with a test of their name (``test_<module>.py``) in any folder."""
    lines = sum(t.lines for t in area.tests) / max(1, sum(s.lines for s in area.sources))
    names = {p.name for p in (area.root / "tests").rglob("test_*.py")}
    modules = [s.path for s in area.sources if s.path.stem not in ("__init__", "__main__")]
    return f"{lines:.2f}; {_percent(sum(f'test_{p.stem}.py' in names for p in modules), len(modules))}"


def matched_raises(area: Area) -> str:
    """``pytest.raises`` with ``match``, of all."""
    calls = [n for t in area.tests for n in t.nodes(ast.Call) if isinstance(n, ast.Call)]
    raises = [c for c in calls if ast.unparse(c.func).split(".")[-1] == "raises"]
    return f"{sum(any(k.arg == 'match' for k in c.keywords) for c in raises)} of {len(raises)}"


def prepositions(area: Area) -> str:
    """Share of the Args and Attributes entries that begin with a preposition."""
    said = [e for s in area.sources for e in entries(s.path)]
    return f"{_percent(sum(first_word(e.text) in PREPOSITIONS for e in said), len(said))} of {len(said)}"


def fragments(area: Area) -> str:
    """Entries that break the rule of tools/prose.py."""
    return str(sum(fault(e) is not None for s in area.sources for e in entries(s.path)))


def examples(area: Area) -> str:
    """Docstrings of functions and classes with an example, of all; docstrings with a link, modules included."""
    modules = [ast.get_docstring(s.tree) or "" for s in area.sources]
    shown = sum(bool(EXAMPLE.search(d)) for d in area.docstrings)
    return f"{shown} of {len(area.docstrings)}; {sum(bool(LINK.search(d)) for d in (*area.docstrings, *modules))}"


def empty_names(area: Area) -> str:
    """Uses of variables named found, there, mine or theirs."""
    names = (n for s in area.sources for n in s.nodes(ast.Name) if isinstance(n, ast.Name))
    return str(sum(n.id in EMPTY_NAMES for n in names))


def import_circles(area: Area) -> str:
    """Circles of packages and of files, in the installed package."""
    edges = graph(area.root)
    return f"{len(circles(package_graph(edges)))}; {len(circles(edges))}" if "nnunet_uad" in area.folders else ""


#: Heading of a row → its measure.
MEASURES: dict[str, Callable[[Area], str]] = {
    "files / lines": size,
    "file lines, median/p90": file_lines,
    "function lines, median/p90": function_lines,
    "…without docstring": function_lines_without_docstring,
    "bodies over 60 lines": long_bodies,
    "copied function lines (AST, ≥ 8)": copied_lines,
    "documented public functions/modules": documented,
    "public tensor functions naming a shape": shapes,
    "fully annotated": annotated,
    "…and read by mypy": read_by_mypy,
    "comment-only lines": comment_lines,
    "multi-base classes": several_bases,
    "`raise` with message; asserts per raise": errors,
    "test/source lines; same-named tests": test_lines,
    "`raises` tests that match the message": matched_raises,
    "Args/Attributes entries starting with a preposition": prepositions,
    "…that are no noun phrase by the rule": fragments,
    "docstrings with an example; with a link": examples,
    "variables named found, there, mine, theirs": empty_names,
    "circles of packages; of files": import_circles,
}


def areas_of(root: Path, folders: Iterable[str] = ()) -> list[Area]:
    """The columns: everything that is installed, then the named folders, else wings, studies and benchmarks."""
    whole = Area(root, ("nnunet_uad", *WINGS), "ours")
    return [whole, *(Area(root, (f,), Path(f).name) for f in folders or (*WINGS, "nnunet_uad/study", "benchmarks"))]


def table(areas: list[Area]) -> str:
    """The Markdown table of all measures."""
    rows = [[label, *(measure(area) for area in areas)] for label, measure in MEASURES.items()]
    lines = [["", *(area.name for area in areas)], ["---"] * (len(areas) + 1), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _lines(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def _docstring_lines(function: Function) -> int:
    if ast.get_docstring(function) is None:
        return 0
    return (function.body[0].end_lineno or 0) - function.body[0].lineno + 1


def _body(function: Function) -> list[ast.stmt]:
    return function.body[1:] if ast.get_docstring(function) is not None else function.body


def _body_lines(function: Function) -> int:
    body = _body(function)
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def _body_digest(function: Function) -> str:
    text = "\n".join(ast.dump(statement) for statement in _body(function))
    return hashlib.sha256(text.encode()).hexdigest()


def _signature(function: Function) -> str:
    annotations = [a.annotation for a in arguments_of(function)] + [function.returns]
    return " ".join(ast.unparse(a) for a in annotations if a is not None)


def _median_p90(values: list[int]) -> str:
    """Median, and the value whose rank is nearest to nine tenths."""
    if not values:
        return "–"
    ranked = sorted(values)
    return f"{statistics.median(ranked):.0f}/{ranked[round(0.9 * (len(ranked) - 1))]}"


def _percent(part: int, whole: int) -> str:
    """Whole per cents, but for what is nearly nothing or nearly all."""
    if not whole:
        return "–"
    share = 100 * part / whole
    return f"{share:.0f} %" if part in (0, whole) or 1 <= share <= 99 else f"{share:.1f} %"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", help="below the root; default: wings, studies, benchmarks")
    parser.add_argument("--root", type=Path, default=ROOT, help="folder of the project")
    arguments = parser.parse_args()
    print(table(areas_of(arguments.root.resolve(), arguments.folders)))


if __name__ == "__main__":
    main()
