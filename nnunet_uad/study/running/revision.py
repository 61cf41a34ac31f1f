"""Which state of the source code made a number."""

from __future__ import annotations

import subprocess
from pathlib import Path

import nnunet_uad


def revision() -> str | None:
    """Git revision of the clone that nnunet_uad runs from, with a mark for local changes; ``None`` if installed."""
    folder = Path(nnunet_uad.__file__).resolve().parent
    if not (folder.parent / ".git").exists():
        return None
    try:
        described = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.strip()
