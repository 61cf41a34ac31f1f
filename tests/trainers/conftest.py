"""What tests of several trainers of stage two share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def restorer_file(ddpm_fold: Path, results: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The weights of a diffusion model, named by the variable."""
    path = ddpm_fold / "pretrained.safetensors"
    monkeypatch.setenv("nnUNet_uad_restorer", str(path))
    return path
