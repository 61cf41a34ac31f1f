"""Residuals as anomaly scores."""

from __future__ import annotations

import numpy as np


def absolute_residual(image: np.ndarray, reconstruction: np.ndarray) -> np.ndarray:
    """Mean over channels of |x − f(x)| (Kascenas et al., MIDL 2022): (C, z, y, x) → (z, y, x)."""
    return np.abs(image - reconstruction).mean(0)
