"""Curves as SVG inside the page: text stays text, lines differ in colour, dash and marker, the page's colours hold."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nnunet_uad.common.plain_text import plain_text
from nnunet_uad.metrics.reliability import reliability_curve
from nnunet_uad.metrics.segmentation import PRIMARY
from nnunet_uad.report.analysis import Analysis
from nnunet_uad.report.collect import Results
from nnunet_uad.report.forecasts import ForecastRow
from nnunet_uad.report.label_free import MapRow
from nnunet_uad.statistics.forecast import FARTHEST

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Okabe and Ito's palette, as far as it can be read on white and on black.
COLOURS = ("#777777", "#0a84c6", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#7a5fd0", "#c0392b")
MARKERS, DASHES = "osD^vPX*", ("-", "--", "-.", ":")
#: Drawn in this, shown in the colour of the page's text.
_INK = "#010203"


def style(index: int) -> dict[str, Any]:
    """How the arm of that number is drawn, in every figure."""
    return {
        "color": COLOURS[index % len(COLOURS)],
        "marker": MARKERS[index % len(MARKERS)],
        "linestyle": DASHES[index % len(DASHES)],
        "markersize": 5,
        "linewidth": 1.6,
    }


def efficiency_figure(results: Results, analysis: Analysis, dataset: str, maps: Sequence[MapRow] = ()) -> str:
    """Mean of the primary metric over the amount of labels, an arm per line; bars: 95 % intervals.

    Args:
        results: Results of the study.
        analysis: Numbers of the tables.
        dataset: Name of the dataset that was tested on.
        maps: Scores of arms without labels, a horizontal line each.
    """
    figure, axes = _figure(1, 7.2, 3.9)
    axis = axes[0]
    for index, arm in enumerate(results.trained):
        rows = [c for c in analysis.cells if c.dataset == dataset and c.arm == arm and c.finished]
        # Side by side, so that bars of different arms can be told apart.
        shift = 1.035 ** (index - (len(results.trained) - 1) / 2)
        x = [results.amount(c.budget.text) * shift for c in rows]
        y = [c.score for c in rows]
        low = [max(0.0, c.score - c.interval.low) if c.interval else 0.0 for c in rows]
        high = [max(0.0, c.interval.high - c.score) if c.interval else 0.0 for c in rows]
        axis.errorbar(x, y, [low, high], label=plain_text(arm), capsize=2, elinewidth=0.9, **style(index))
    budgets = [(results.amount(b.text), b.words) for b in results.budgets]
    beyond = _draw_forecasts(axis, results, drawn_forecasts(results, analysis, dataset))
    for index, row in enumerate(r for r in maps if r.learnt):
        look = {**style(len(results.trained) + index), "marker": "", "linestyle": (0, (1, 2)), "linewidth": 1.8}
        axis.axhline(row.values["Dice"], label=f"{plain_text(row.name)} (no labels, ⌈Dice⌉)", **look)
    axis.set_xscale("log")
    axis.set_xticks(*zip(*budgets, *beyond, strict=True), fontsize=9)
    axis.minorticks_off()
    axis.set_ylabel(f"mean {PRIMARY.label}")
    axis.set_ylim(max(0.0, axis.get_ylim()[0]) if axis.get_ylim()[0] > 0 else 0.0, min(1.0, axis.get_ylim()[1]))
    axis.set_xlabel(f"labelled ({results.unit}, logarithmic)")
    _legend(figure, axes, len(results.trained) + len([r for r in maps if r.learnt]))
    return _svg(
        figure, f"Mean {PRIMARY.label} on {dataset} over the number of labels, a line per trainer; values in the tables"
    )


def drawn_forecasts(results: Results, analysis: Analysis, dataset: str) -> list[ForecastRow]:
    """The forecasts that the curves are carried on with; none where the axis counts slices.

    Args:
        results: Results of the study.
        analysis: Numbers of the tables.
        dataset: Name of the dataset that was tested on.
    """
    told = [r for r in analysis.forecasts if r.dataset == dataset and r.made.gain and not r.made.gain.withheld]
    return told if results.unit == "cases" else []


def _draw_forecasts(axis: Axes, results: Results, rows: Sequence[ForecastRow]) -> list[tuple[float, str]]:
    """Thin dashes with a band, a bar where the target is reached; returns ticks for the numbers of cases beyond."""
    largest = 0.0
    for row in rows:
        band, needed = row.made.band, row.made.needed
        if band is None:
            continue
        colour = style(results.trained.index(row.arm))["color"]
        axis.plot(band.amounts, band.scores, color=colour, linewidth=0.9, linestyle=(0, (4, 3)))
        axis.fill_between(band.amounts, band.low, band.high, color=colour, alpha=0.12, linewidth=0)
        if row.target is not None and needed is not None and not needed.withheld:
            axis.plot([needed.low, needed.high], [row.target, row.target], color=colour, linewidth=2.4, alpha=0.7)
        largest = max(largest, row.made.largest)
    return [(factor * largest, f"{factor * largest:g}") for factor in (2, int(FARTHEST))] if largest else []


def reliability_figure(results: Results, dataset: str) -> str:
    """Share of foreground over predicted probability, a panel per budget, an arm per line."""
    shown = [b for b in results.budgets if any(results.groups.get((dataset, b.text, a)) for a in results.trained)]
    # Few panels can be read: the smallest and the largest budget, and two between.
    chosen = sorted({round(k * (len(shown) - 1) / 3) for k in range(4)}) if len(shown) > 4 else range(len(shown))
    figure, axes = _figure(len(chosen), 2.4 * max(2, len(chosen)), 3.2, equal=True)
    for axis, budget in zip(axes, [shown[k] for k in chosen], strict=True):
        axis.plot([0, 1], [0, 1], color=_INK, linewidth=0.7, alpha=0.6)
        for index, arm in enumerate(results.trained):
            group = results.groups.get((dataset, budget.text, arm))
            if group is not None and "reliability" in group.counts:
                predicted, observed, _ = reliability_curve(group.counts["reliability"])
                look = {**style(index), "markersize": 3.5, "linewidth": 1.2}
                axis.plot(predicted, observed, label=plain_text(arm), **look)
        axis.set_title(budget.words, fontsize=10, color=_INK)
        axis.set_xlim(0, 1)
        axis.set_ylim(0, 1)
        axis.set_xlabel("predicted")
    axes[0].set_ylabel("observed share")
    _legend(figure, axes, len(results.trained))
    return _svg(figure, f"Reliability on {dataset}: observed share of foreground over predicted probability")


def _figure(panels: int, width: float, height: float, equal: bool = False) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    axes = list(figure.subplots(1, panels, squeeze=False)[0])
    for axis in axes:
        axis.grid(alpha=0.25, color=_INK)
        axis.patch.set_alpha(0)
        for spine in axis.spines.values():
            spine.set_edgecolor(_INK)
            spine.set_alpha(0.5)
        axis.tick_params(colors=_INK, labelsize=9)
        axis.xaxis.label.set_color(_INK)
        axis.yaxis.label.set_color(_INK)
        if equal:
            axis.set_aspect("equal")
    figure.patch.set_alpha(0)
    return figure, axes


def _legend(figure: Figure, axes: list[Axes], entries: int) -> None:
    handles, names = axes[0].get_legend_handles_labels()
    if not handles:
        return
    columns = min(3, entries)
    lines = -(-len(handles) // columns)
    space = 0.26 * lines / figure.get_figheight()
    legend = figure.legend(handles, names, loc="upper center", ncols=columns, fontsize=9, frameon=False)
    for text in legend.get_texts():
        text.set_color(_INK)
    figure.tight_layout(rect=(0, 0, 1, 1 - space))


def _svg(figure: Figure, label: str) -> str:
    """The figure as an element of the page, with a name for screen readers."""
    import matplotlib

    buffer = io.StringIO()
    # The salt makes the identifiers, and so the page, the same every time; per figure, since they share the page.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": label, "font.family": "sans-serif"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    # Every figure numbers its parts from one: identifiers must be unique within the page.
    unique = re.sub(r"\W+", "_", label)
    text = re.sub(r'\bid="', f'id="{unique}_', text)
    text = re.sub(r'(xlink:href="#|url\(#)', rf"\1{unique}_", text)
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = text.replace(_INK, "currentColor")
    text = re.sub(r'\swidth="[\d.]+pt"\s', " ", re.sub(r'\sheight="[\d.]+pt"\s', " ", text, count=1), count=1)
    return text.replace("<svg ", f'<svg role="img" aria-label="{html.escape(label)}" ', 1)
