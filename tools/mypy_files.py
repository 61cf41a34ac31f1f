"""What ``mypy`` without arguments, and so ``make lint``, reads."""

from __future__ import annotations

import os
from pathlib import Path

from mypy.main import process_options


def modules_of_mypy(root: Path) -> dict[str, Path]:
    """Module → file of everything that mypy checks in the folder of a ``pyproject.toml``, links resolved."""
    before = Path.cwd()
    os.chdir(root)
    try:
        targets, _ = process_options([])
        return {t.module: Path(t.path).resolve() for t in targets if t.path and t.path.endswith(".py")}
    finally:
        os.chdir(before)
