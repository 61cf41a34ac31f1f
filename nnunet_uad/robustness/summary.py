"""Rows → mean corruption error, a table, a CSV and a plot."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nnunet_uad.common.files import atomic_path, write_json
from nnunet_uad.metrics.bootstrap import intervals
from nnunet_uad.robustness.images import CLEAN

COLUMNS = ("trainer", "fold", "artefact", "severity", "case", "Dice", "AP")


def summarise(rows: Sequence[dict[str, Any]], trainers: Sequence[str]) -> dict[str, Any]:
    """Mean Dice and AP per artefact, corruption errors relative to the first trainer, and their mean.

    With E the error 1 − Dice, the corruption error of an artefact is Σₛ Eₛ / Σₛ Eₛ of the first trainer, over
    severities and cases; the mean corruption error is its mean over artefacts (Hendrycks and Dietterich, ICLR 2019).
    Below 1 is better than the first trainer. Intervals resample cases, the same for both trainers.

    Args:
        rows: of :func:`nnunet_uad.robustness.run.run_robustness`; cases without a Dice are left out.
        trainers: the first is the reference.
    """
    known = [r for r in rows if r["Dice"] is not None]
    cases = sorted({(r["fold"], r["case"]) for r in known})
    artefacts = [a for a in dict.fromkeys(r["artefact"] for r in known) if a != CLEAN.artefact]
    errors = {t: _errors(known, t, cases, artefacts) for t in trainers}
    reference = errors[trainers[0]]
    summary: dict[str, Any] = {"reference": trainers[0], "cases": len(cases), "trainers": {}}
    for trainer in trainers:
        mine = [r for r in known if r["trainer"] == trainer]
        error = _corruption_error(errors[trainer], reference, np.ones(len(cases)))
        found = intervals(len(cases), partial(_mean_corruption_error, errors[trainer], reference))
        summary["trainers"][trainer] = {
            "clean": _means([r for r in mine if r["artefact"] == CLEAN.artefact]),
            "artefacts": {
                a: {**_means([r for r in mine if r["artefact"] == a]), "corruption error": float(e)}
                for a, e in zip(artefacts, error, strict=True)
            },
            "mean corruption error": float(error.mean()),
            "interval_95": found[0] if found else None,
        }
    return summary


def _errors(rows: Sequence[dict], trainer: str, cases: Sequence[tuple], artefacts: Sequence[str]) -> np.ndarray:
    """1 − Dice, summed over severities: (artefacts, cases)."""
    total = np.zeros((len(artefacts), len(cases)))
    for row in rows:
        if row["trainer"] == trainer and row["artefact"] in artefacts:
            total[artefacts.index(row["artefact"]), cases.index((row["fold"], row["case"]))] += 1 - row["Dice"]
    return total


def _corruption_error(errors: np.ndarray, reference: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Per artefact, with cases counted ``weights`` times; a reference without any error cannot be undercut."""
    return (errors @ weights) / np.maximum(reference @ weights, 1e-12)


def _mean_corruption_error(errors: np.ndarray, reference: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return _corruption_error(errors, reference, weights).mean(keepdims=True)


def _means(rows: Sequence[dict[str, Any]]) -> dict[str, float | None]:
    values = {m: [r[m] for r in rows if r[m] is not None] for m in ("Dice", "AP")}
    return {m: float(np.mean(v)) if v else None for m, v in values.items()}


def table(summary: dict[str, Any]) -> str:
    """Markdown: a line per trainer."""
    first = next(iter(summary["trainers"].values()))
    names = list(first["artefacts"])
    lines = [
        "| trainer | clean Dice | clean AP | mean corruption error | 95 % interval | "
        + " | ".join(f"{n}: Dice, AP, error" for n in names)
        + " |",
        "|---" * (5 + len(names)) + "|",
    ]
    for trainer, entry in summary["trainers"].items():
        interval = entry["interval_95"]
        cells = [
            trainer,
            _number(entry["clean"]["Dice"]),
            _number(entry["clean"]["AP"]),
            f"{entry['mean corruption error']:.3f}",
            f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else "one case",
            *(
                f"{_number(a['Dice'])}, {_number(a['AP'])}, {a['corruption error']:.2f}"
                for a in entry["artefacts"].values()
            ),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def write_summary(summary: dict[str, Any], rows: Sequence[dict[str, Any]], folder: Path) -> None:
    """``robustness.csv`` (a line per prediction), ``robustness.json``, ``robustness.md``, ``robustness.png``."""
    with (
        atomic_path(folder / "robustness.csv") as temporary,
        temporary.open("w", newline="", encoding="utf-8") as handle,
    ):
        writer = csv.DictWriter(handle, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    write_json(folder / "robustness.json", summary)
    with atomic_path(folder / "robustness.md") as temporary:
        temporary.write_text(table(summary) + "\n", encoding="utf-8")
    plot(rows, list(summary["trainers"]), folder / "robustness.png")


def plot(rows: Sequence[dict[str, Any]], trainers: Sequence[str], path: Path) -> None:
    """Mean Dice over severities, one panel per artefact, one line per trainer; severity 0 is the clean image."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    artefacts = [a for a in dict.fromkeys(r["artefact"] for r in rows) if a != CLEAN.artefact]
    columns = min(4, max(1, len(artefacts)))
    lines = -(-len(artefacts) // columns)
    figure, axes = pyplot.subplots(
        lines, columns, figsize=(3 * columns, 2.6 * lines + 0.6), sharex=True, sharey=True, squeeze=False
    )
    styles = ("-", "--", "-.", ":")
    for panel, artefact in zip(axes.flat, artefacts, strict=False):
        for index, trainer in enumerate(trainers):
            mine = [r for r in rows if r["trainer"] == trainer and r["artefact"] in (artefact, CLEAN.artefact)]
            severities = sorted({r["severity"] for r in mine})
            means = [_means([r for r in mine if r["severity"] == s])["Dice"] for s in severities]
            panel.plot(
                severities,
                [np.nan if m is None else m for m in means],
                styles[index % len(styles)],
                marker="o",
                markersize=3,
                label=trainer.removeprefix("nnUNetTrainer"),
            )
        panel.set_title(artefact, fontsize=10)
        panel.grid(alpha=0.3)
        panel.set_ylim(0, 1)
    for panel in axes.flat[len(artefacts) :]:
        panel.set_axis_off()
    for panel in axes[-1]:
        panel.set_xlabel("severity (0: clean)")
    for panel in axes[:, 0]:
        panel.set_ylabel("mean Dice")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", ncols=min(3, len(trainers)), fontsize=9, frameon=False)
    figure.tight_layout(rect=(0, 0, 1, 0.94))
    with atomic_path(path, keep_suffix=True) as temporary:
        figure.savefig(temporary, dpi=130)
    pyplot.close(figure)
