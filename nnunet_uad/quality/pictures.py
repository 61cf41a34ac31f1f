"""A scan beside the mean of the training scans, as small pictures for the page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnunet_uad.common.pages import picture_data
from nnunet_uad.common.plain_text import plain_text
from nnunet_uad.quality.likeness import MeanScan
from nnunet_uad.quality.scan import Scan, box_of

_PLANES = ("z", "y", "x")


def scan_picture(scan: Scan, channels: Sequence[str], mean: MeanScan) -> str:
    """The middle slices of each channel along each axis, as the network sees them, and those of the mean scan.

    Both are shown inside the box of the foreground; across y and x the first slice lies at the bottom.

    Args:
        scan: Scan to show.
        channels: Names of its channels.
        mean: Mean of the training scans.

    Returns:
        Address of the picture inside the page.
    """
    from matplotlib import style
    from matplotlib.figure import Figure

    inside = scan.image[(slice(None), *box_of(scan.foreground()))]
    with style.context("default"):
        figure = Figure(figsize=(1.35 * 6, 1.45 * len(channels) + 0.3), dpi=80, facecolor="black")
        axes = figure.subplots(len(channels), 6, squeeze=False)
        for row, name, image, typical in zip(axes, channels, inside, mean.cube, strict=False):
            for index, (axis, picture) in enumerate(zip(row, [*_middle(image), *_middle(typical)], strict=True)):
                low, high = np.quantile(picture, [0.01, 0.995])
                aspect = _aspect(scan.spacing, index) if index < 3 else "auto"
                # Most scans begin at the neck.
                origin = "lower" if index % 3 else "upper"
                axis.imshow(picture, "gray", vmin=low, vmax=max(high, low + 1e-6), aspect=aspect, origin=origin)
            row[0].text(0.02, 0.02, plain_text(name), color="white", fontsize=7, transform=row[0].transAxes)
        for axis, title in zip(axes[0], [*_PLANES, *(f"training, {p}" for p in _PLANES)], strict=True):
            axis.set_title(title, color="white", fontsize=7)
        for axis in axes.flat:
            axis.set_axis_off()
        figure.tight_layout(pad=0.2)
        return picture_data(figure)


def _middle(image: np.ndarray) -> list[np.ndarray]:
    """The middle slice across each axis of an image (z, y, x)."""
    return [np.take(image, n // 2, axis) for axis, n in enumerate(image.shape)]


def _aspect(spacing: Sequence[float], axis: int) -> float:
    """Height of a voxel over its width in a slice across an axis; at most 20, for single slices."""
    rows, columns = (s for k, s in enumerate(spacing) if k != axis)
    return float(np.clip(rows / columns, 0.05, 20))
