"""Whether the background of images counts as foreground: nnU-Net's foreground is where an image is not 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

#: Cases that are looked at.
_CASES = 5
#: Share of the image that may lie outside the foreground before the image counts as cut out.
_OUTSIDE = 0.01
#: Share of the border that must be dark before it counts as background.
_DARK = 0.9


def background_warning(dataset: Any, identifiers: Sequence[str]) -> str:
    """A warning where most images have a dark border that nnU-Net takes for foreground; ``""`` otherwise.

    In CT air is about -1000, in MRI noise: neither is 0.

    Args:
        dataset: Any nnU-Net dataset (``load_case(identifier)`` → data, seg, seg_prev, properties).
        identifiers: Cases of which the first few are looked at.
    """
    looked_at = list(identifiers)[:_CASES]
    found = 0
    for identifier in looked_at:
        data, seg, *_ = dataset.load_case(identifier)
        found += has_dark_border(np.asarray(data[0]), np.asarray(seg[0]) >= 0)
    if 2 * found <= len(looked_at):
        return ""
    return (
        f"WARNING: the background counts as foreground in {found} of {len(looked_at)} training cases that were looked "
        "at (their border is dark, but not 0: air of -1000 in CT, noise in MRI). It is then reconstructed, scored and "
        "counted in the thresholds fpr:… like the body. Set what lies outside the body to 0 in the raw images, or mask "
        "the maps: nnunet_uad evaluate --masks FOLDER"
    )


def has_dark_border(image: np.ndarray, foreground: np.ndarray) -> bool:
    """Whether an image fills its box with foreground, and the border of the box is darker than what lies within.

    Args:
        image: One channel of an image (z, y, x) or (y, x).
        foreground: Mask of its foreground, boolean, of the same shape.
    """
    if (~foreground).mean() > _OUTSIDE or image.min() == image.max():
        return False
    # The border within slices: a scan ends at the head and the feet without any background.
    border = np.concatenate([np.take(image, (0, -1), axis).ravel() for axis in (-1, -2)])
    threshold = otsu(image)
    return bool((border < threshold).mean() > _DARK and (image >= threshold).mean() > _OUTSIDE)


def otsu(image: np.ndarray) -> float:
    """The threshold that splits intensities into two groups that vary least within themselves.

    Otsu 1979, https://doi.org/10.1109/TSMC.1979.4310076

    Args:
        image: Intensities (z, y, x) or (N,), in any unit.
    """
    low, high = np.percentile(image, (0.5, 99.5))
    counts, edges = np.histogram(np.clip(image, low, high), bins=128)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(edges[1 + int(np.nanargmax(between[:-1]))])
