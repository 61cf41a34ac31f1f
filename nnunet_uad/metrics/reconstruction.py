"""Reconstruction error, as sums that stay on the device and as a report per case."""

from __future__ import annotations

import numpy as np
import torch


def explained_variance_sums(
    output: torch.Tensor, clean: torch.Tensor, weight: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Squared error and variance of a batch, summed over the weighted voxels.

    Args:
        output: Reconstruction (B, C, *spatial), z-score units.
        clean: Target of the same shape.
        weight: Weight of every voxel (B, 1, *spatial); those with weight 0 do not count.

    Returns:
        Two scalars on the device: Σ w (output − clean)² and Σ w (clean − mean)², the mean per channel over the
        weighted voxels of the batch. One minus their ratio is the explained variance (R²).
    """
    weight = weight.to(torch.float32)
    clean = clean.to(torch.float32)
    axes = [0, *range(2, clean.ndim)]
    mean = (clean * weight).sum(axes, keepdim=True) / weight.sum().clamp(min=1)
    error = (weight * (output.to(torch.float32) - clean) ** 2).sum()
    return error, (weight * (clean - mean) ** 2).sum()


def reconstruction_report(image: np.ndarray, reconstruction: np.ndarray, seg: np.ndarray) -> dict[str, float]:
    """Errors of one case in z-score units, healthy and lesion voxels apart.

    Args:
        image: Preprocessed image (C, z, y, x), z-score units.
        reconstruction: Reconstruction of the same shape.
        seg: Labels (z, y, x): −1 outside the foreground, 0 healthy, above 0 lesion.

    Returns:
        Mean squared and mean absolute error over the foreground, and the mean absolute error of healthy and of
        lesion voxels (left out where there are none), with the numbers of voxels.
    """
    difference = reconstruction.astype(np.float64) - image
    squared = (difference**2).mean(0)
    absolute = np.abs(difference).mean(0)
    foreground = seg >= 0
    report = {"foreground_voxels": float(foreground.sum())}
    if foreground.any():
        report["MSE_foreground"] = float(squared[foreground].mean())
        report["MAE_foreground"] = float(absolute[foreground].mean())
    for name, mask in {"healthy": seg == 0, "lesion": seg > 0}.items():
        report[f"{name}_voxels"] = float(mask.sum())
        if mask.any():
            report[f"MAE_{name}"] = float(absolute[mask].mean())
    return report
