"""What tests of several commands share."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def plans_folder(tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the tiny dataset in an ``nnUNet_preprocessed`` of its own, with its plans alone."""
    folder = tmp_path / tiny_dataset.name
    folder.mkdir()
    shutil.copy(tiny_dataset / "nnUNetPlans.json", folder)
    monkeypatch.setenv("nnUNet_preprocessed", str(tmp_path))
    return folder
