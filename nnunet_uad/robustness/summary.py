"""Rows → mean corruption error, a table, a CSV and a plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nnunet_uad.common.csv_files import write_csv_file
from nnunet_uad.common.files import atomic_path, write_json, write_text
from nnunet_uad.common.plain_text import plain_text
from nnunet_uad.metrics import segmentation
from nnunet_uad.metrics.bootstrap import intervals
from nnunet_uad.metrics.metric import ReportedMetric
from nnunet_uad.metrics.segmentation import PRIMARY
from nnunet_uad.robustness.images import CLEAN

#: What names a prediction; the CSV has a column for each, and one for every metric of a case.
NAMES = ("trainer", "fold", "artefact", "severity", "case")


def summarise(rows: Sequence[dict[str, Any]], trainers: Sequence[str]) -> dict[str, Any]:
    """Mean scores per artefact, corruption errors relative to the first trainer, and their mean.

    With E the error 1 − Dice, the corruption error of an artefact is Σₛ Eₛ / Σₛ Eₛ of the first trainer, over
    severities and cases; the mean corruption error is its mean over artefacts. Below 1 is better than the first
    trainer. Intervals resample cases, the same for both trainers.

    Hendrycks and Dietterich, ICLR 2019, https://arxiv.org/abs/1903.12261

    Args:
        rows: Rows of :func:`nnunet_uad.robustness.run.run_robustness`; cases without a Dice are left out.
        trainers: Names of the trainers; the first is the reference.
    """
    known = [r for r in rows if r[PRIMARY.key] is not None]
    cases = sorted({(r["fold"], r["case"]) for r in known})
    artefacts = [a for a in dict.fromkeys(r["artefact"] for r in known) if a != CLEAN.artefact]
    errors = {t: _errors(known, t, cases, artefacts) for t in trainers}
    reference = errors[trainers[0]]
    summary: dict[str, Any] = {"reference": trainers[0], "cases": len(cases), "trainers": {}}
    for trainer in trainers:
        own = [r for r in known if r["trainer"] == trainer]
        error = _corruption_error(errors[trainer], reference, np.ones(len(cases)))
        ends = intervals(len(cases), partial(_mean_corruption_error, errors[trainer], reference))
        summary["trainers"][trainer] = {
            "clean": _means([r for r in own if r["artefact"] == CLEAN.artefact]),
            "artefacts": {
                a: {**_means([r for r in own if r["artefact"] == a]), "corruption error": float(e)}
                for a, e in zip(artefacts, error, strict=True)
            },
            "mean corruption error": float(error.mean()),
            "interval_95": ends[0] if ends else None,
        }
    return summary


def _errors(rows: Sequence[dict], trainer: str, cases: Sequence[tuple], artefacts: Sequence[str]) -> np.ndarray:
    """1 − the primary metric, summed over severities: (artefacts, cases)."""
    total = np.zeros((len(artefacts), len(cases)))
    for row in rows:
        if row["trainer"] == trainer and row["artefact"] in artefacts:
            total[artefacts.index(row["artefact"]), cases.index((row["fold"], row["case"]))] += 1 - row[PRIMARY.key]
    return total


def _corruption_error(errors: np.ndarray, reference: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Per artefact, with cases counted ``weights`` times; a reference without any error cannot be undercut."""
    return (errors @ weights) / np.maximum(reference @ weights, 1e-12)


def _mean_corruption_error(errors: np.ndarray, reference: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return _corruption_error(errors, reference, weights).mean(keepdims=True)


def _means(rows: Sequence[dict[str, Any]]) -> dict[str, float | None]:
    keys = [metric.key for metric in segmentation.CASE_METRICS]
    values = {key: [r[key] for r in rows if r.get(key) is not None] for key in keys}
    return {m: float(np.mean(v)) if v else None for m, v in values.items()}


def table(summary: dict[str, Any]) -> str:
    """Markdown: a line per trainer."""
    first = next(iter(summary["trainers"].values()))
    metrics = segmentation.CASE_METRICS
    headings = [
        "trainer",
        *(f"clean {m.label}" for m in metrics),
        "mean corruption error",
        "95 % interval",
        *(f"{name}: {', '.join(m.label for m in metrics)}, error" for name in first["artefacts"]),
    ]
    lines = [f"| {' | '.join(headings)} |", "|---" * len(headings) + "|"]
    for trainer, entry in summary["trainers"].items():
        interval = entry["interval_95"]
        cells = [
            trainer,
            *_numbers(entry["clean"], metrics),
            f"{entry['mean corruption error']:.3f}",
            f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else "one case",
            *(", ".join([*_numbers(a, metrics), f"{a['corruption error']:.2f}"]) for a in entry["artefacts"].values()),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _numbers(means: Mapping[str, float | None], metrics: Sequence[ReportedMetric]) -> list[str]:
    values = [(means[metric.key], metric.digits) for metric in metrics]
    return ["-" if value is None else f"{value:.{digits}f}" for value, digits in values]


def write_summary(summary: dict[str, Any], rows: Sequence[dict[str, Any]], folder: Path) -> None:
    """``robustness.csv`` (a line per prediction), ``robustness.json``, ``robustness.md``, ``robustness.png``."""
    columns = (*NAMES, *(metric.key for metric in segmentation.CASE_METRICS))
    write_csv_file(folder / "robustness.csv", columns, ([row.get(name) for name in columns] for row in rows))
    write_json(folder / "robustness.json", summary)
    write_text(folder / "robustness.md", table(summary) + "\n")
    plot(rows, list(summary["trainers"]), folder / "robustness.png")


def plot(rows: Sequence[dict[str, Any]], trainers: Sequence[str], path: Path) -> None:
    """Mean of the primary metric over severities (0: clean), one panel per artefact, one line per trainer."""
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
            own = [r for r in rows if r["trainer"] == trainer and r["artefact"] in (artefact, CLEAN.artefact)]
            severities = sorted({r["severity"] for r in own})
            means = [_means([r for r in own if r["severity"] == s])[PRIMARY.key] for s in severities]
            panel.plot(
                severities,
                [np.nan if m is None else m for m in means],
                styles[index % len(styles)],
                marker="o",
                markersize=3,
                label=plain_text(trainer.removeprefix("nnUNetTrainer")),
            )
        panel.set_title(artefact, fontsize=10)
        panel.grid(alpha=0.3)
        panel.set_ylim(0, 1)
    for panel in axes.flat[len(artefacts) :]:
        panel.set_axis_off()
    for panel in axes[-1]:
        panel.set_xlabel("severity (0: clean)")
    for panel in axes[:, 0]:
        panel.set_ylabel(f"mean {PRIMARY.label}")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", ncols=min(3, len(trainers)), fontsize=9, frameon=False)
    figure.tight_layout(rect=(0, 0, 1, 0.94))
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=130)
    pyplot.close(figure)
