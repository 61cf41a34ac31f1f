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


@pytest.fixture
def train_losses(tiny_dataset: Path, results: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], list]:
    """Trains with settings and gives the loss of every epoch."""

    def train(name: str, settings: str) -> list[float]:
        monkeypatch.setenv("nnUNet_uad_settings", settings)
        trainer = tiny.make_trainer(name)
        trainer.run_training()
        return [float(loss) for loss in trainer.logger.get_value("train_losses", None)]

    return train
