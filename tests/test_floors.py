"""The house has floors: imports run down, never up, never in a circle."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WINGS = ("pretrain", "trainers")
#: From the ground up; a package imports itself and those before it. The two wings stand beside each other.
FLOORS = (
    "common",
    "methods",
    "corruption",
    "metrics",
    "statistics",
    "anomalies",
    "networks",
    "weights",
    "restoration",
    "scoring",
    "data",
    "training",
    "inference",
    "evaluation",
    "pretrain",
    "trainers",
    "plugin",
    "robustness",
    "study",
    "report",
    "demo",
    "cli",
    "__main__",
)
#: The rooms of a study: planning and running know the study's file and folder, not each other.
APART = (WINGS, ("study.planning", "study.running"))


def module_name(path: Path) -> str:
    relative = path.relative_to(ROOT if path.parts[len(ROOT.parts)] != "nnunet_uad" else ROOT / "nnunet_uad")
    return ".".join(relative.with_suffix("").parts).removesuffix(".__init__")


def sources() -> dict[str, Path]:
    """Module below ``nnunet_uad`` → file."""
    paths = [p for wing in WINGS for p in (ROOT / wing).rglob("*.py")]
    paths += [
        p for p in (ROOT / "nnunet_uad").rglob("*.py") if p.relative_to(ROOT).parts[1] not in ("pretrain", "trainers")
    ]
    return {module_name(p): p for p in paths}


def imports_of(path: Path, known: set[str]) -> set[str]:
    """Modules of the package that a file imports anywhere: inside functions and for type checkers, too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{a.name}" for a in node.names] + [node.module or ""]
        else:
            continue
        inside = [n.removeprefix("nnunet_uad.") for n in names if n.startswith("nnunet_uad.")]
        found |= {n for n in inside if n in known}
    return found - {module_name(path)}


def graph() -> dict[str, set[str]]:
    files = sources()
    return {name: imports_of(path, set(files)) for name, path in files.items()}


def running_up(edges: dict[str, set[str]]) -> list[str]:
    """Imports from a floor to one above it, both files named."""
    level = {name: k for k, name in enumerate(FLOORS)}
    return [
        f"{name} imports {other}, which lies above"
        for name, others in edges.items()
        for other in others
        if name and level[name.split(".")[0]] < level[other.split(".")[0]]
    ]


def circles(edges: dict[str, set[str]]) -> list[str]:
    """Two files of every circle."""

    def reachable(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            for other in edges.get(waiting.pop(), ()):
                if other not in seen:
                    seen.add(other)
                    waiting.append(other)
        return seen

    reach = {name: reachable(name) for name in edges}
    return [f"{a} and {b} import each other" for a in edges for b in edges[a] if a < b and a in reach[b]]


def test_every_package_has_a_floor():
    assert {name.split(".")[0] for name in sources() if name} == set(FLOORS)


def test_imports_run_down():
    assert not running_up(graph())


def test_no_circles_of_files():
    assert not circles(graph())


@pytest.mark.parametrize(("one", "other"), APART)
def test_neighbours_do_not_know_each_other(one, other):
    def inside(name: str, room: str) -> bool:
        return name == room or name.startswith(f"{room}.")

    for a, b in ((one, other), (other, one)):
        assert not [(n, m) for n, ms in graph().items() if inside(n, a) for m in ms if inside(m, b)]


def test_a_wrong_import_is_found_and_both_files_are_named():
    """The test itself can fail: an import that runs up, and a circle."""
    edges = {"common.files": {"study.layout"}, "study.layout": {"common.files"}}
    assert running_up(edges) == ["common.files imports study.layout, which lies above"]
    assert circles(edges) == ["common.files and study.layout import each other"]
