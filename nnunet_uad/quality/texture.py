"""Noise and sharpness within slices, from Haar wavelets of two scales."""

from __future__ import annotations

import numpy as np

#: Below this, in units of the foreground's spread, there is no texture at all.
_LEAST = 1e-4


def texture_numbers(image: np.ndarray, inside: np.ndarray) -> dict[str, float]:
    """Noise and sharpness of a channel, decimal logarithms.

    The noise is that of the finest diagonal wavelet (Donoho & Johnstone 1994, DOI 10.1093/biomet/81.3.425; by its mean
    size, since of 8-bit images the median is often 0) over the spread of intensities. The sharpness is the fine edges
    over the ones twice as coarse, which noise raises and blur lowers.

    Args:
        image: Standardised image (z, y, x).
        inside: Foreground, boolean, of the same shape.
    """
    (edges, diagonal), coarser, inside_coarser = _haar(image, inside)
    (wider_edges, _), _, _ = _haar(coarser, inside_coarser)
    return {
        "noise": float(np.log10(max(diagonal, _LEAST))),
        "sharpness": float(np.log10(max(edges, _LEAST) / max(wider_edges, _LEAST))),
    }


def _haar(image: np.ndarray, inside: np.ndarray) -> tuple[tuple[float, float], np.ndarray, np.ndarray]:
    """Mean size of the edges and of the diagonal details of a scale, and image and foreground of the next one."""
    rows, columns = (n // 2 * 2 for n in image.shape[-2:])
    parts = [image[..., i:rows:2, j:columns:2] for i in (0, 1) for j in (0, 1)]
    known = np.logical_and.reduce([inside[..., i:rows:2, j:columns:2] for i in (0, 1) for j in (0, 1)])
    a, b, c, d = parts
    if not known.any():
        return (0.0, 0.0), (a + b + c + d) / 2, known
    vertical, horizontal = (np.abs(x[known]).mean() for x in ((a + b - c - d) / 2, (a - b + c - d) / 2))
    diagonal = np.abs((a - b - c + d)[known] / 2).mean()
    return (float((vertical + horizontal) / 2), float(diagonal)), (a + b + c + d) / 2, known
