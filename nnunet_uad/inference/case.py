"""A case between its reconstruction and its files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class RestoredCase:
    """A case on the preprocessed grid.

    Attributes:
        identifier: of the case.
        image: (C, z, y, x).
        reconstruction: (C, z, y, x), ``None`` of a model that detects without restoring.
        foreground: boolean (z, y, x).
        score: (z, y, x).
        spacing: mm per axis.
        properties: what nnU-Net stored when it preprocessed the case.
        detection: (z, y, x), ``None`` of a model that only restores.
    """

    identifier: str
    image: np.ndarray
    reconstruction: np.ndarray | None
    foreground: np.ndarray
    score: np.ndarray
    spacing: tuple[float, ...]
    properties: dict[str, Any]
    detection: np.ndarray | None = None
