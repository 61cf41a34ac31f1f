"""Forest plots: one line per row, its value and its interval."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

_INK, _QUIET, _ACCENT = "0.15", "0.55", "#1f6f8b"


@dataclass(frozen=True)
class Mark:
    """One line of the plot.

    Attributes:
        label: Words on the left.
        value: Position of the dot.
        ends: Ends of the interval, ``None`` without one.
        text: Words on the right.
    """

    label: str
    value: float
    ends: tuple[float, float] | None
    text: str


@dataclass(frozen=True)
class Forest:
    """A plot.

    Attributes:
        marks: Lines from top to bottom.
        axis: Title of the axis.
        line: Position of a vertical line, e.g. "no difference"; ``None`` for none.
        limits: Ends of the axis; intervals beyond are cut. ``None`` shows all.
    """

    marks: tuple[Mark, ...]
    axis: str
    line: float | None = None
    limits: tuple[float, ...] | None = None

    def digest(self) -> str:
        """Digest of all that the plot shows."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def draw(plan: Forest, path: Path) -> None:
    """Draw a plot; the file says which one it is.

    Args:
        plan: Lines, axis and title of the plot.
        path: File to write, ending in ``.png``.
    """
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(7.2, 0.9 + 0.27 * len(plan.marks)))
    for y, mark in enumerate(plan.marks):
        if mark.ends is not None:
            axis.plot(mark.ends, (y, y), color=_ACCENT, linewidth=2, solid_capstyle="butt")
        axis.plot(mark.value, y, "o", color=_ACCENT, markersize=5)
        axis.annotate(mark.text, (1.02, y), xycoords=("axes fraction", "data"), va="center", fontsize=8, color=_INK)
    if plan.line is not None:
        axis.axvline(plan.line, color=_QUIET, linewidth=1, linestyle="--", zorder=0)
    if plan.limits is not None:
        axis.set_xlim(*plan.limits)
    axis.set_yticks(range(len(plan.marks)), [m.label for m in plan.marks], fontsize=8)
    axis.set_ylim(len(plan.marks) - 0.5, -0.5)
    axis.tick_params(axis="x", labelsize=8)
    axis.tick_params(axis="y", length=0)
    axis.set_xlabel(plan.axis, fontsize=9)
    axis.spines[["top", "right", "left"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, bbox_inches="tight", metadata={"Source": plan.digest()})
    plt.close(figure)


def drawn_from(path: Path) -> str | None:
    """Digest of what a figure shows, ``None`` if there is no file or it was drawn by others.

    Args:
        path: File of the figure.
    """
    from PIL import Image

    if not path.is_file():
        return None
    with Image.open(path) as picture:
        return picture.info.get("Source")
