"""A case between the networks and its files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class ReconstructedCase:
    """A case on the preprocessed grid after the networks, before the score.

    Attributes:
        identifier: Identifier of the case.
        image: Preprocessed image (C, z, y, x), z-score units where the plan normalises so.
        reconstruction: Pseudo-healthy image (C, z, y, x), ``None`` of a model that detects without reconstructing.
        foreground: Boolean mask (z, y, x) of what is not background.
        properties: Mapping that nnU-Net stored when it preprocessed the case.
        detection: Score of the networks themselves (z, y, x), ``None`` of a model that only reconstructs.
        features: Distance of the networks between image and reconstruction (z, y, x), ``None`` where it is not wanted.
        spread: Standard deviation of the reconstruction over several draws (C, z, y, x), whose mean it then is;
            ``None`` of a single one.
    """

    identifier: str
    image: np.ndarray
    reconstruction: np.ndarray | None
    foreground: np.ndarray
    properties: dict[str, Any]
    detection: np.ndarray | None = None
    features: np.ndarray | None = None
    spread: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True)
class ScoredCase(ReconstructedCase):
    """A case on the preprocessed grid, with what a model made of it.

    Attributes:
        score: Anomaly score (z, y, x), at least 0, higher is more anomalous.
        spacing: Spacing of the axes (z, y, x) in mm.
    """

    score: np.ndarray
    spacing: tuple[float, ...]
