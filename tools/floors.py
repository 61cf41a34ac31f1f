"""Which module imports which, and the floors of the house that this must keep to (docs/architecture.md draws them)."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: The folders beside the core that are installed into it.
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
    "tracking",
    "training",
    "inference",
    "evaluation",
    "screening",
    "selection",
    "quality",
    "dicom",
    "pretrain",
    "trainers",
    "sharing",
    "plugin",
    "robustness",
    "study",
    "report",
    "choosing",
    "demo",
    "cli",
    "__main__",
)
#: Neighbours on one floor that do not know each other: the wings, and the rooms of a study.
APART = (WINGS, ("study.planning", "study.running"))

Graph = dict[str, set[str]]


def module_name(path: Path, root: Path = ROOT) -> str:
    """Name of a file's module below ``nnunet_uad``: ``pretrain/dae.py`` and ``nnunet_uad/pretrain/dae.py`` alike."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[1:] if parts[0] == "nnunet_uad" else parts).removesuffix("__init__").removesuffix(".")


def sources(root: Path = ROOT) -> dict[str, Path]:
    """Module below ``nnunet_uad`` → file; the wings from their own folders, not through the links to them."""
    core = [p for p in (root / "nnunet_uad").rglob("*.py") if p.relative_to(root).parts[1] not in WINGS]
    return {module_name(p, root): p for p in [*(p for w in WINGS for p in (root / w).rglob("*.py")), *core]}


def imports_of(path: Path, known: set[str]) -> set[str]:
    """Modules among ``known`` that a file imports anywhere: inside functions and for type checkers, too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{a.name}" for a in node.names} | {node.module or ""}
    return {n.removeprefix("nnunet_uad.") for n in names if n.startswith("nnunet_uad.")} & known


def graph(root: Path = ROOT) -> Graph:
    """Module → modules of the package that it imports."""
    files = sources(root)
    return {name: imports_of(path, set(files)) - {name} for name, path in files.items()}


def package_graph(edges: Graph) -> Graph:
    """The same graph between packages (the first part of a module's name)."""
    packages: Graph = {}
    for name, others in edges.items():
        package = name.split(".")[0]
        packages.setdefault(package, set()).update(o.split(".")[0] for o in others)
    return {package: others - {package} for package, others in packages.items()}


def running_up(edges: Mapping[str, set[str]]) -> list[str]:
    """Imports from a floor to one above it, both files named."""
    level = {name: k for k, name in enumerate(FLOORS)}
    return [
        f"{name} imports {other}, which lies above"
        for name, others in edges.items()
        for other in others
        if name and level[name.split(".")[0]] < level[other.split(".")[0]]
    ]


def circles(edges: Mapping[str, set[str]]) -> list[list[str]]:
    """Groups of two or more that reach each other, sorted."""
    reach = {name: _reachable(name, edges) for name in edges}
    groups = {frozenset(b for b in reach[a] if a in reach.get(b, ())) for a in edges}
    return sorted(sorted(group) for group in groups if len(group) > 1)


def _reachable(start: str, edges: Mapping[str, set[str]]) -> set[str]:
    """Everything that ``start`` imports, directly or through others."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        new = edges.get(waiting.pop(), set()) - seen
        seen |= new
        waiting += new
    return seen
