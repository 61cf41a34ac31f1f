"""The best and the worst test case of every dataset as pictures: image, truth, both predictions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nnunet_uad.common.pages import picture_data
from nnunet_uad.common.plain_text import plain_text
from nnunet_uad.data.image_files import ending_of, read_image
from nnunet_uad.metrics.segmentation import PRIMARY
from nnunet_uad.report.analysis import Analysis
from nnunet_uad.report.collect import Results
from nnunet_uad.report.words import number
from nnunet_uad.study.labelled import Budget
from nnunet_uad.study.layout import Cell
from nnunet_uad.study.running.predict_cell import cases_to_test

TRUTH, PREDICTION = "#f0e442", "#56b4e9"


@dataclass(frozen=True)
class CasePicture:
    """A picture with its words.

    Attributes:
        title: Name of the case, and the reason why it is shown.
        text: Description for the caption and for screen readers.
        data: Picture as ``data:image/png;base64,…``.
    """

    title: str
    text: str
    data: str


def case_pictures(results: Results, analysis: Analysis) -> list[CasePicture]:
    """Per dataset the best and the worst case of the arm that is best with the fewest labels."""
    pictures = []
    for dataset in results.datasets:
        chosen = _arm_shown(results, analysis, dataset)
        if chosen is None:
            continue
        budget, arm = chosen
        entries = results.groups[dataset, budget, arm].entries(PRIMARY.key)
        scores = sorted((PRIMARY.sign * v, repr(t), c, t) for t, c, v in entries if v is not None)
        extremes = {"best case": scores[-1], "worst case": scores[0]} if len(scores) > 1 else {"only case": scores[0]}
        for kind, (_, _, case, training) in extremes.items():
            picture = _picture(results, dataset, budget, arm, case, training, kind)
            pictures += [picture] if picture else []
    return pictures


def _arm_shown(results: Results, analysis: Analysis, dataset: str) -> tuple[str, str] | None:
    """At the smallest budget that has any result: the arm with the best mean, the baseline only if alone."""
    for budget in results.budgets:
        rows = [c for c in analysis.cells if (c.dataset, c.budget) == (dataset, budget) and c.finished]
        rows = [c for c in rows if c.arm in results.trained]
        others = [c for c in rows if c.arm != results.baseline] or rows
        if others:
            return budget.text, max(others, key=lambda c: PRIMARY.sign * c.score).arm
    return None


def _picture(
    results: Results, dataset: str, budget: str, arm: str, case: str, training: Any, kind: str
) -> CasePicture | None:
    """``None`` where segmentations or images are no longer there."""
    cells = {
        cell.arm: cell
        for cell in results.layout.cells.values()
        if cell.fold["budget"] == budget and (cell.fold["outer"], cell.fold["draw"]) == training
    }
    shown: dict[str, float] = {}
    masks: dict[str, np.ndarray] = {}
    for name in dict.fromkeys((results.baseline, arm)):
        values = [v for t, c, v in _rows(results, dataset, budget, name) if (t, c) == (training, case)]
        path = _segmentation(results, cells[name], dataset, case)
        if values and values[0] is not None and path is not None:
            shown[name], masks[name] = values[0], _array(path) > 0
    files = _files(results, cells[arm], dataset, case)
    if arm not in masks or files is None:
        return None
    image, truth = _array(files[0]), _array(files[1]) > 0
    words = Budget(budget).words
    scores = ", ".join(f"{name}: {PRIMARY.label} {number(value)}" for name, value in shown.items())
    return CasePicture(
        title=f"{dataset}, {kind}: {case}",
        text=f"Trained with {words} (fold {training[0]}, draw {training[1]}). {scores}. "
        "Slice with the largest labelled area; yellow: ground truth, blue: prediction.",
        data=_png(image, truth, masks),
    )


def _rows(results: Results, dataset: str, budget: str, arm: str) -> list[tuple[Any, str, float | None]]:
    group = results.groups.get((dataset, budget, arm))
    return group.entries(PRIMARY.key) if group else []


def _segmentation(results: Results, cell: Cell, dataset: str, case: str) -> Path | None:
    folder = results.layout.cell_folder(cell.identifier) / dataset
    files = [p for p in folder.glob(f"{case}.*") if p.name[: -len(ending_of(p))] == case] if folder.is_dir() else []
    return files[0] if files else None


def _files(results: Results, cell: Cell, dataset: str, case: str) -> tuple[Path, Path] | None:
    """First channel and label."""
    try:
        for identifier, images, label, _ in cases_to_test(results.layout, cell, dataset):
            if identifier == case:
                return (images[0], label) if images[0].exists() and label.exists() else None
    except (OSError, ValueError):
        # Data that moved since cost a picture, not the report.
        return None
    return None


def _array(path: Path) -> np.ndarray:
    """(z, y, x); a 2D image gets one slice."""
    import SimpleITK

    array = SimpleITK.GetArrayFromImage(read_image(path))
    return array[None] if array.ndim == 2 else array


def _png(image: np.ndarray, truth: np.ndarray, masks: dict[str, np.ndarray]) -> str:
    from matplotlib.figure import Figure

    index = int(truth.sum((1, 2)).argmax())
    window = _window(image[index])
    shown = image[index][window].astype(float)
    inside = shown[shown != 0] if (shown != 0).any() else shown
    low, high = np.quantile(inside, [0.01, 0.995])
    panels: list[tuple[str, np.ndarray | None]] = [("image", None), ("ground truth", truth), *masks.items()]
    height = 2.1 * shown.shape[0] / shown.shape[1] + 0.4
    figure = Figure(figsize=(2.2 * len(panels), height), dpi=100, facecolor="black")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (title, mask) in zip(axes, panels, strict=True):
        axis.imshow(shown, "gray", vmin=low, vmax=max(high, low + 1e-6))
        if mask is not None and mask[index][window].any():
            colour = TRUTH if title == "ground truth" else PREDICTION
            axis.contour(mask[index][window], [0.5], colors=colour, linewidths=1.2)
        axis.set_title(plain_text(title), color="white", fontsize=9)
        axis.set_axis_off()
    figure.tight_layout(pad=0.4, rect=(0, 0, 1, 1 - 0.05 / height))
    return picture_data(figure)


def _window(picture: np.ndarray, margin: int = 4) -> tuple[slice, slice]:
    """The part of a slice that shows anything; all of it where nothing is 0."""
    rows, columns = (np.flatnonzero((picture != 0).any(axis)) for axis in (1, 0))
    if not len(rows):
        return slice(None), slice(None)
    first, second = (slice(max(0, int(k[0]) - margin), int(k[-1]) + margin + 1) for k in (rows, columns))
    return first, second
