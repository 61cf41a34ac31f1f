"""One picture per case for quick reading: input, reconstruction, map, overlay."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnunet_uad.common.files import atomic_path
from nnunet_uad.common.plain_text import plain_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nnunet_uad.inference.case import ScoredCase

ROWS = 3
_INPUT, _RECONSTRUCTION, _MAP, _OVERLAY = "input", "reconstruction", "anomaly map", "overlay"


def write_montage(
    case: ScoredCase, channel: int, name: str, threshold: float | None, path: Path, slices: Sequence[int] = ()
) -> None:
    """The most anomalous slices, or those that are named, one per row.

    Args:
        case: Case to show.
        channel: Index of the channel of input and reconstruction.
        name: Name of the channel.
        threshold: Threshold whose outline the overlay shows, in units of the score; ``None`` for no outline.
        path: File to write, ending in ``.png``.
        slices: Indices of the slices to show; the most anomalous if empty.
    """
    from matplotlib import style

    # nnU-Net changes matplotlib's defaults in its own process.
    with style.context("default"):
        figure = _figure(case, channel, name, threshold, slices or anomalous_slices(case.score))
        with atomic_path(path) as temporary:
            figure.savefig(temporary, facecolor="black", metadata={"Software": None})


def _figure(case: ScoredCase, channel: int, name: str, threshold: float | None, slices: Sequence[int]) -> Figure:
    from matplotlib.figure import Figure

    shown = case.image[channel]
    pictures: dict[str, np.ndarray | None] = {_INPUT: shown}
    if case.reconstruction is not None:
        pictures[_RECONSTRUCTION] = case.reconstruction[channel] * case.foreground
    pictures |= {_MAP: None, _OVERLAY: shown}
    low, high = _window(shown[case.foreground])
    top = max(float(np.quantile(case.score[case.foreground], 0.999)) if case.foreground.any() else 0.0, 1e-6)
    figure = Figure(figsize=(2.4 * len(pictures), 2.4 * len(slices) + 0.5), dpi=100, facecolor="black")
    axes = figure.subplots(len(slices), len(pictures), squeeze=False)
    aspect = case.spacing[-2] / case.spacing[-1]
    for row, index in zip(axes, slices, strict=True):
        for axis, picture in zip(row, pictures.values(), strict=True):
            if picture is not None:
                axis.imshow(
                    np.where(case.foreground[index], picture[index], low), "gray", vmin=low, vmax=high, aspect=aspect
                )
        score = case.score[index]
        row[-2].imshow(score, "inferno", vmin=0, vmax=top, aspect=aspect)
        strength = np.clip(score / top, 0, 1)
        row[-1].imshow(score, "inferno", vmin=0, vmax=top, alpha=0.7 * strength, aspect=aspect)
        if threshold is not None and score.min() < threshold <= score.max():
            row[-1].contour(score >= threshold, [0.5], colors="cyan", linewidths=0.7)
        row[0].text(0.02, 0.02, f"slice {index}", color="white", fontsize=8, transform=row[0].transAxes)
    for axis, title in zip(axes[0], pictures, strict=True):
        axis.set_title(title, color="white", fontsize=10)
    for axis in axes.flat:
        axis.set_axis_off()
    outline = "" if threshold is None else f"   cyan: score at least {threshold:.3g}"
    names = plain_text(f"{case.identifier}   {name}")
    figure.suptitle(f"{names}   map 0 to {top:.3g}{outline}", color="white", fontsize=10, y=0.995)
    figure.tight_layout(pad=0.3, rect=(0, 0, 1, 1 - 0.35 / figure.get_figheight()))
    return figure


def anomalous_slices(score: np.ndarray, count: int = ROWS) -> list[int]:
    """Indices of the slices with the highest total score, at least a tenth of the volume apart, ascending.

    Args:
        score: Anomaly score (z, y, x).
        count: Largest number of slices.
    """
    totals = score.sum(axis=(1, 2))
    distance = max(1, len(totals) // 10)
    chosen: list[int] = []
    for index in np.argsort(-totals, kind="stable"):
        if all(abs(int(index) - other) >= distance for other in chosen):
            chosen.append(int(index))
        if len(chosen) == count:
            break
    return sorted(chosen)


def _window(values: np.ndarray) -> tuple[float, float]:
    if not values.size:
        return 0.0, 1.0
    low, high = np.quantile(values, [0.005, 0.995])
    return float(low), float(max(high, low + 1e-6))
