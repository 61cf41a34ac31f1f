"""What tests of scan checks share."""

from __future__ import annotations

from pathlib import Path

import pytest
import scans

from nnunet_uad.quality.calibration import Calibration
from nnunet_uad.quality.reference import Reference


@pytest.fixture(scope="session")
def reference() -> Reference:
    return scans.reference()


@pytest.fixture(scope="session")
def calibration(reference: Reference) -> Calibration:
    return Calibration.of(reference.names, reference.values, 0.05)


@pytest.fixture
def preprocessed(tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny dataset in folders of its own."""
    return scans.tiny_workplace(tmp_path, monkeypatch)
