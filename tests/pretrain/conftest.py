"""What tests of several pretrainers share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny


@pytest.fixture
def make_autoencoder(tiny_dataset: Path, results: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Makes a trainer of an autoencoder with settings, not yet initialised."""

    def make(settings: str = "", name: str = "AE", configuration: str = "2d_tiny") -> Any:
        monkeypatch.setenv("nnUNet_uad_settings", settings)
        return tiny.make_trainer(f"nnUNetPretrainer{name}_2epochs_2iters", configuration)

    return make
