"""The foreground from its rim inwards, and how its brightness drifts: skull and bias field."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

#: Distances from the rim, voxels of the cube (a head is 4 to 6 mm per voxel): scalp, skull, cortex.
_LAYERS = {"rim 1": (0, 1.01), "rim 2": (1.01, 2.3), "rim 3": (2.3, 3.7)}


def layer_numbers(cube: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """Median intensity of the layers below the rim, in units of the foreground's spread.

    A head with scalp and skull has a bright layer outside a dark one; of a brain alone, the rim is darker than what
    lies within.

    Args:
        cube: Standardised image (32, 32, 32).
        mask: Foreground, boolean, of the same shape.
    """
    # In slices and across: the box ends at the uppermost slice, which is no rim, but all scans share that.
    depth = ndimage.distance_transform_edt(np.pad(mask, ((0, 0), (1, 1), (1, 1))))[:, 1:-1, 1:-1]
    numbers = {}
    for name, (low, high) in _LAYERS.items():
        layer = mask & (depth > low) & (depth <= high)
        numbers[name] = float(np.median(cube[layer])) if layer.any() else 0.0
    return numbers


def bias_number(cube: np.ndarray, mask: np.ndarray) -> float:
    """How much brightness drifts through the foreground: spread of a parabola that is fitted to it.

    Args:
        cube: Image (32, 32, 32), best of logarithms, which a field adds to.
        mask: Foreground, boolean, of the same shape.
    """
    values = np.clip(cube[mask], -3, 3)
    if len(values) < 100:
        return 0.0
    axes = [axis[mask] for axis in np.meshgrid(*(np.linspace(-1, 1, n) for n in mask.shape), indexing="ij")]
    terms = [np.ones_like(values), *axes, *(a * b for i, a in enumerate(axes) for b in axes[i:])]
    design = np.stack(terms, axis=1)
    fitted = design @ np.linalg.lstsq(design, values, rcond=None)[0]
    return float(fitted.std())
