"""One picture per screened case: image, map, and what is known and unknown on the slices of the findings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnunet_uad.common.files import atomic_path
from nnunet_uad.common.plain_text import plain_text
from nnunet_uad.inference.montage import anomalous_slices
from nnunet_uad.screening.findings import KNOWN, UNKNOWN, Case, Finding, voxel_size

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROWS = 4
#: Colours that people with any colour vision tell apart.
COLOURS = {KNOWN: "#00c8ff", UNKNOWN: "#ff8c00"}


def write_montage(
    case: Case, image: np.ndarray, title: str, findings: Sequence[Finding], unknown: np.ndarray, path: Path
) -> None:
    """The slices of the highest findings, one per row.

    Args:
        case: Case to show.
        image: Channel to show (z, y, x), on the grid of the case.
        title: Heading of the picture.
        findings: Findings of the case, the highest score first.
        unknown: Mask (z, y, x) of the unknown findings that were kept.
        path: File to write, ending in ``.png``.
    """
    from matplotlib import style

    # nnU-Net changes matplotlib's defaults in its own process.
    with style.context("default"):
        figure = _figure(case, image, title, findings, unknown)
        with atomic_path(path) as temporary:
            figure.savefig(temporary, facecolor="black", metadata={"Software": None})


def slices_of(findings: Sequence[Finding], scores: np.ndarray, count: int = ROWS) -> list[int]:
    """Indices of the slices to show, ascending: those of the highest findings of either kind, by turns.

    Args:
        findings: Findings, the highest score first.
        scores: Anomaly map (z, y, x), whose most anomalous slices are shown where there is no finding.
        count: Largest number of slices.
    """
    kinds = [[f.slice for f in findings if f.kind == kind] for kind in (UNKNOWN, KNOWN)]
    turns = [s for k in range(max(map(len, kinds))) for slices in kinds for s in slices[k : k + 1]]
    chosen = list(dict.fromkeys(turns))[:count]
    return sorted(chosen) or anomalous_slices(scores, count)


def _figure(case: Case, image: np.ndarray, title: str, findings: Sequence[Finding], unknown: np.ndarray) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    slices = slices_of(findings, case.scores)
    inside = case.scores > 0
    values = image[inside] if inside.any() else image.ravel()
    low, high = (float(v) for v in np.quantile(values, [0.005, 0.995]))
    top = max(float(np.quantile(case.scores[inside], 0.999)) if inside.any() else 0.0, 1e-6)
    _, row_mm, column_mm = voxel_size(case.properties)
    figure = Figure(figsize=(2.4 * 3, 2.4 * len(slices) + 0.95), dpi=100, facecolor="black")
    axes = figure.subplots(len(slices), 3, squeeze=False)
    for row, index in zip(axes, slices, strict=True):
        aspect = row_mm / column_mm
        # Outside the foreground the preprocessed image is 0, which is not its darkest value.
        shown = np.where(case.scores[index] > 0, image[index], low)
        for axis in (row[0], row[2]):
            axis.imshow(shown, "gray", vmin=low, vmax=max(high, low + 1e-6), aspect=aspect)
        row[1].imshow(case.scores[index], "inferno", vmin=0, vmax=top, aspect=aspect)
        for kind, mask in {KNOWN: case.segmentation[index] > 0, UNKNOWN: unknown[index]}.items():
            if mask.any():
                row[2].imshow(_tinted(mask, COLOURS[kind]), aspect=aspect)
        row[0].text(0.02, 0.02, f"slice {index}", color="white", fontsize=8, transform=row[0].transAxes)
    for axis, heading in zip(axes[0], ("image", "anomaly map", "known and unknown"), strict=True):
        axis.set_title(heading, color="white", fontsize=10)
    for axis in axes.flat:
        axis.set_axis_off()
    counts = {kind: sum(f.kind == kind for f in findings) for kind in COLOURS}
    handles = [Patch(color=COLOURS[kind], label=f"{kind}: {counts[kind]} finding(s)") for kind in COLOURS]
    figure.legend(handles=handles, loc="lower center", ncols=2, fontsize=9, labelcolor="white", frameon=False)
    figure.suptitle(f"{plain_text(title)}   map 0 to {top:.3g}", color="white", fontsize=10, y=0.995)
    height = figure.get_figheight()
    figure.subplots_adjust(0.01, 0.4 / height, 0.99, 1 - 0.55 / height, wspace=0.02, hspace=0.02)
    return figure


def _tinted(mask: np.ndarray, colour: str) -> np.ndarray:
    """A mask (y, x) in a colour that lets the image shine through: (y, x, 4)."""
    from matplotlib.colors import to_rgba

    picture = np.zeros((*mask.shape, 4), np.float32)
    picture[mask] = to_rgba(colour, 0.6)
    return picture
