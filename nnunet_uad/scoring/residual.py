"""Residuals as anomaly scores."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

#: Width of the structural similarity's window, as a Gaussian's standard deviation (Wang et al., IEEE TIP 2004,
#: https://doi.org/10.1109/TIP.2003.819861).
_SSIM_SIGMA_VOXELS = 1.5
_K1, _K2 = 0.01, 0.03


def absolute_residual(image: np.ndarray, reconstruction: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted sum over channels of |x − f(x)|: (C, z, y, x) → (z, y, x).

    Kascenas et al., MIDL 2022, https://proceedings.mlr.press/v172/kascenas22a.html.

    Args:
        image: Preprocessed image (C, z, y, x), z-score units.
        reconstruction: Reconstruction of the same shape.
        weights: Weights (C,) of the channels.

    Example:
        >>> absolute_residual(np.full((1, 1, 1, 2), 3.0), np.array([[[[1.0, 4.0]]]]), np.ones(1)).tolist()
        [[[2.0, 1.0]]]
    """
    return np.tensordot(weights.astype(np.float32), np.abs(image - reconstruction), axes=1)


def signed_residual(image: np.ndarray, reconstruction: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted sum over channels of x − f(x), above 0 where brighter than expected: (C, z, y, x) → (z, y, x).

    Args:
        image: Preprocessed image (C, z, y, x), z-score units.
        reconstruction: Reconstruction of the same shape.
        weights: Weights (C,) of the channels.

    Example:
        >>> signed_residual(np.full((1, 1, 1, 2), 3.0), np.array([[[[1.0, 4.0]]]]), np.ones(1)).tolist()
        [[[2.0, -1.0]]]
    """
    return np.tensordot(weights.astype(np.float32), image - reconstruction, axes=1)


def ssim_residual(image: np.ndarray, reconstruction: np.ndarray, weights: np.ndarray, axes: int) -> np.ndarray:
    """1 − local structural similarity, weighted over channels: (C, z, y, x) → (z, y, x) in [0, 2].

    Args:
        image: Preprocessed image (C, z, y, x), z-score units.
        reconstruction: Reconstruction of the same shape.
        weights: Weights (C,) of the channels, of which the absolute values count.
        axes: Number of the last axes that the window extends over: 2 slice by slice, 3 in volume.
    """
    total = np.zeros(image.shape[1:], dtype=np.float32)
    sigma = [0.0] * (image.ndim - 1 - axes) + [_SSIM_SIGMA_VOXELS] * axes
    for x, y, weight in zip(image, reconstruction, np.abs(weights), strict=True):
        if not weight:
            continue
        spread = float(x.max() - x.min()) or 1.0
        c1, c2 = (_K1 * spread) ** 2, (_K2 * spread) ** 2
        mean_x, mean_y = gaussian_filter(x, sigma), gaussian_filter(y, sigma)
        var_x = gaussian_filter(x * x, sigma) - mean_x**2
        var_y = gaussian_filter(y * y, sigma) - mean_y**2
        cov = gaussian_filter(x * y, sigma) - mean_x * mean_y
        similarity = (2 * mean_x * mean_y + c1) * (2 * cov + c2)
        similarity /= (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
        total += np.float32(weight) * (1 - similarity).astype(np.float32)
    return total
