"""The core never imports the wings; the wings never import each other."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = [p for p in (ROOT / "nnunet_uad").rglob("*.py") if p.parts[len(ROOT.parts) + 1] not in ("plugin", "cli")]


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


@pytest.mark.parametrize(
    ("files", "forbidden"),
    [
        (CORE, ("nnunet_uad.pretrain", "nnunet_uad.trainers")),
        (list((ROOT / "pretrain").glob("*.py")), ("nnunet_uad.trainers",)),
        (list((ROOT / "trainers").glob("*.py")), ("nnunet_uad.pretrain",)),
    ],
)
def test_arrows(files, forbidden):
    assert files
    broken = [
        f"{path}: {name}"
        for path in files
        for name in imported(path)
        if name.startswith(forbidden) and not ("diagnosis" in path.parts and "plugin" in name)
    ]
    assert not broken
