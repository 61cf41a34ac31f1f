"""The report's tables: the same rows for the page and for CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunet_uad.common.csv_files import write_csv_file
from nnunet_uad.methods import STOCK_TRAINER, TRAINERS
from nnunet_uad.metrics import segmentation
from nnunet_uad.metrics.metric import ReportedMetric
from nnunet_uad.metrics.reliability import reliability_curve
from nnunet_uad.metrics.segmentation import FALSE_POSITIVES, LESION_RECALL, PRIMARY
from nnunet_uad.report.analysis import COMPARED, Analysis, CellRow, DifferenceRow
from nnunet_uad.report.collect import Results
from nnunet_uad.report.label_free import RECALL, RECALL_SMALL, MapRow, shown_rows
from nnunet_uad.report.words import GAP, factor, factor_span, number, p_value, span
from nnunet_uad.statistics.intervals import Interval
from nnunet_uad.study.arms import Arm, screen_words


@dataclass(frozen=True)
class Table:
    """A table of the page and its CSV.

    Attributes:
        name: Name of the CSV, without ending.
        caption: Caption on the page.
        columns: Headings on the page.
        rows: Cells on the page, text.
        raw_columns: Headings of the CSV.
        raw_rows: Cells of the CSV; numbers are not rounded, gaps are empty.
        headers: Number of cells of a row, from the left, that name it.
        marked: Indices of rows to set off.
    """

    name: str
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    raw_columns: Sequence[str]
    raw_rows: Sequence[Sequence[Any]]
    headers: int = 2
    marked: frozenset[int] = frozenset()


def score_table(results: Results, analysis: Analysis, dataset: str) -> Table:
    """Mean scores with intervals, a row per budget and arm."""
    cells = [c for c in analysis.cells if c.dataset == dataset]
    _, *further = segmentation.metrics()
    rows: list[Sequence[str]] = []
    raw: list[Sequence[Any]] = []
    for c in cells:
        names = (c.budget.words, c.arm, f"{c.trainings} of {c.planned}", str(c.cases))
        spans = (span(c.interval), span(c.case_interval))
        shown = (number(c.score, PRIMARY.digits), *spans, *(number(c.values[m.key], m.digits) for m in further))
        rows.append((*names, *(shown if c.finished else (GAP, *["–"] * (len(shown) - 1)))))
        counts = (c.trainings, c.planned, c.cases)
        ends = (*_ends(c.interval), *_ends(c.case_interval))
        raw.append((c.dataset, c.budget.text, c.arm, *counts, c.score, *ends, *(c.values[m.key] for m in further)))
    whole = any(c.whole_foreground for c in cells)
    note = " Its classes are not the model's: any foreground is compared with any foreground." if whole else ""
    return Table(
        f"scores_{dataset}",
        f"Scores on {dataset}.{note}",
        ("labelled", "trainer", "trainings", "cases", f"mean {PRIMARY.label}", "95 % interval", "over cases only",
         *(m.label for m in further)),
        rows,
        ("dataset", "budget", "trainer", "trainings", "planned", "cases", PRIMARY.column, "low_95", "high_95",
         "low_95_cases", "high_95_cases", *(m.column for m in further)),
        raw,
    )  # fmt: skip


def difference_tables(results: Results, analysis: Analysis, dataset: str) -> list[Table]:
    """Paired differences to the baseline by every metric that they are known of; the primary one in any case.

    Args:
        results: Results of the study.
        analysis: Numbers of the tables.
        dataset: Name of the dataset that was tested on.
    """
    of_metrics = [[r for r in analysis.differences if (r.dataset, r.metric) == (dataset, m)] for m in COMPARED]
    return [
        _difference_table(results, metric, rows)
        for metric, rows in zip(COMPARED, of_metrics, strict=True)
        if rows and (metric is PRIMARY or any(r.comparison for r in rows))
    ]


def _difference_table(results: Results, metric: ReportedMetric, differences: Sequence[DifferenceRow]) -> Table:
    dataset = differences[0].dataset
    rows: list[Sequence[str]] = []
    raw: list[Sequence[Any]] = []
    marked: set[int] = set()
    for row in differences:
        c = row.comparison
        if row.clear:
            marked.add(len(rows))
        if c is None:
            rows.append((row.budget.words, row.arm, GAP, *["–"] * 6))
            raw.append((dataset, row.budget.text, row.arm, *[""] * 9))
            continue
        rows.append(
            (
                row.budget.words,
                row.arm,
                number(c.difference, signed=True),
                span(c.interval, signed=True),
                p_value(c.p),
                p_value(row.corrected_p),
                number(c.effect, 2, signed=True),
                f"{c.better:.0%}",
                "yes" if row.clear else "no",
            )
        )
        raw.append(
            (dataset, row.budget.text, row.arm, c.difference, *_ends(c.interval), c.p, row.corrected_p, c.effect,
             c.better, c.cases, c.trainings)
        )  # fmt: skip
    return Table(
        f"differences_{dataset}" + ("" if metric is PRIMARY else f"_{metric.column}"),
        f"Differences of the mean {metric.label} to {results.baseline} on {dataset}: same trainings, same cases.",
        ("labelled", "trainer", "difference", "95 % interval", "p", "p, Holm", "effect", "better cases", "clear"),
        rows,
        ("dataset", "budget", "trainer", "difference", "low_95", "high_95", "p_wilcoxon", "p_holm", "rank_biserial",
         "share_better", "cases", "trainings"),
        raw,
        marked=frozenset(marked),
    )  # fmt: skip


def saving_table(results: Results, analysis: Analysis) -> Table:
    """Label-saving factors on the study's own dataset and the others."""
    rows, raw = [], []
    for r in analysis.savings:
        s = r.saving
        rows.append((r.dataset, r.budget.words, r.arm, factor(s.factor), factor_span(s.low, s.high)))
        raw.append((r.dataset, r.budget.text, r.arm, s.factor, s.low, s.high))
    return Table(
        "label_saving",
        f"Labels that {results.baseline} needs for the trainer's mean {PRIMARY.label}, as a multiple of the trainer's "
        "own labels.",
        ("dataset", "labelled", "trainer", "factor", "95 % interval"),
        rows,
        ("dataset", "budget", "trainer", "factor", "low_95", "high_95"),
        raw,
        headers=3,
    )


def map_table(rows: Sequence[MapRow], dataset: str) -> Table:
    """What anomaly maps reach without any label, and the floors; the CSV has every scale, the page the best.

    Args:
        rows: Rows of the dataset.
        dataset: Name of the dataset that was tested on.
    """
    shown, raw, on_page = [], [], shown_rows(rows)
    for row in rows:
        ap, dice, pooled = row.intervals["AP"], row.intervals["Dice"], row.pooled
        values = (number(row.values["AP"]), span(ap), number(pooled["AP"]), number(pooled["AUPRO"]))
        best = (number(row.values["Dice"]), span(dice), number(pooled["best_dice_oracle"]))
        found = (number(pooled[RECALL]), number(pooled[RECALL_SMALL]))
        if row in on_page:
            shown.append((row.name, "no labels" if row.learnt else "no model", str(row.cases), *values, *best, *found))
        raw.append(
            (dataset, row.name, "model" if row.learnt else "intensity", row.cases, row.values["AP"], *_ends(ap),
             pooled["AP"], pooled["AUPRO"], row.values["Dice"], *_ends(dice), pooled["best_dice_oracle"],
             pooled[RECALL], pooled[RECALL_SMALL])
        )  # fmt: skip
    return Table(
        f"label_free_{dataset}",
        f"Anomaly maps on {dataset}, learnt without any label. ⌈Dice⌉: of the masks at the threshold that is best on "
        "these very cases, which nobody knows beforehand. “No model”: the floor, a channel as robust z, at the "
        "scale that is best on these very cases. Lesions found: share of all, and of those below 100 mm³, where 1 % of "
        "the healthy voxels are above the threshold. Intervals over cases; all foreground is one class.",
        ("map", "learnt from", "cases", "mean AP", "95 % interval", "AP, all voxels", "AUPRO", "mean ⌈Dice⌉",
         "95 % interval", "⌈Dice⌉, all voxels", "lesions found", "small lesions found"),
        shown,
        ("dataset", "map", "kind", "cases", "ap", "ap_low_95", "ap_high_95", "ap_all_voxels", "aupro",
         "dice_oracle", "dice_oracle_low_95", "dice_oracle_high_95", "dice_oracle_all_voxels",
         "lesion_recall_fpr_0.01", "lesion_recall_small_fpr_0.01"),
        raw,
    )  # fmt: skip


def pathology_table(results: Results, analysis: Analysis) -> Table:
    """A row per trainer and budget, a column per dataset: what happens on pathologies that were never trained on."""
    metrics = (PRIMARY, LESION_RECALL, FALSE_POSITIVES)
    rows, raw = [], []
    for budget in results.budgets:
        for arm in results.arms:
            cells = [analysis.cell(d, budget.text, arm) for d in results.datasets]
            rows.append((budget.words, arm, *(_score_and_recall(c) if c.finished else GAP for c in cells)))
            raw.append((budget.text, arm, *(c.values[m.key] for c in cells for m in metrics)))
    return Table(
        "pathologies",
        f"Mean {PRIMARY.label} (95 % interval) and {LESION_RECALL.label} per dataset; all but the first were never "
        "trained on.",
        ("labelled", "trainer", *results.datasets),
        rows,
        ("budget", "trainer", *(f"{d}_{m.column}" for d in results.datasets for m in metrics)),
        raw,
    )


def _score_and_recall(cell: CellRow) -> str:
    recall = number(cell.values[LESION_RECALL.key], LESION_RECALL.digits)
    return f"{number(cell.score, PRIMARY.digits)} ({span(cell.interval)}), recall {recall}"


def reliability_table(results: Results) -> Table:
    """What the reliability curves are drawn from; CSV only."""
    raw = [
        (dataset, budget, arm, float(p), float(o), int(n))
        for (dataset, budget, arm), group in results.groups.items()
        if "reliability" in group.counts
        for p, o, n in zip(*reliability_curve(group.counts["reliability"]), strict=True)
    ]
    columns = ("dataset", "budget", "trainer", "predicted", "observed", "voxels")
    return Table("reliability", "", (), (), columns, raw)


def case_table(results: Results) -> Table:
    """Every score of every case; CSV only."""
    metrics = segmentation.CASE_METRICS
    raw = []
    for (dataset, budget, arm), group in results.groups.items():
        values = zip(*(group.scores[m.key] for m in metrics), strict=True)
        for (training, case), scores in zip(group.tests, values, strict=True):
            raw.append((dataset, budget, arm, *training, case, *scores))
    columns = ("dataset", "budget", "trainer", "fold", "draw", "case", *(m.column for m in metrics))
    return Table("cases", "", (), (), columns, raw)


def arm_table(results: Results) -> Table:
    """What every arm is: the trainer's class, its length, what it does."""
    rows, raw = [], []
    for name, arm in results.layout.study.trainers.items():
        content = results.layout.plan["arms"][name]
        words = _does(arm)
        stage_one = ", ".join(sorted({trainer for trainer, *_ in content.get("pretraining", ())}))
        rows.append((name, content["trainer"], words, content["settings"] or "–", stage_one or "–"))
        raw.append((name, content["trainer"], words, content["settings"], stage_one))
    columns = ("trainer", "class and length", "what it does", "settings", "stage one")
    return Table(
        "trainers",
        "What the names of the trainers stand for.",
        columns,
        rows,
        ("trainer", "class", "does", "settings", "stage_one"),
        raw,
        headers=1,
    )


def _does(arm: Arm) -> str:
    if arm.label_free:
        return "anomaly maps, no labels"
    if arm.screen:
        return screen_words(*arm.screen)
    trainer = arm.trainer
    if trainer == STOCK_TRAINER:
        return "nnU-Net's own optimiser, schedule and augmentation; only the length is the study's"
    return TRAINERS[trainer].summary if trainer in TRAINERS else "a trainer of others"


def transfer_table(results: Results) -> Table:
    """How much of each network was pretrained."""
    rows, raw = [], []
    for arm in results.trained:
        reports = [t["reports"] for t in results.trainings.values() if t["arm"] == arm]
        shares = [r["transfer"]["share"] for r in reports if "transfer" in r]
        frozen = sorted({r["restorer"]["trainer"] for r in reports if "restorer" in r})
        warnings = sorted({w for r in reports for report in r.values() for w in report.get("warnings", [])})
        percent = [_percent([s[k] for s in shares]) for k in ("encoder", "decoder", "all_but_heads")]
        rows.append((arm, str(len(shares)), *percent, ", ".join(frozen) or "–", "; ".join(warnings) or "none"))
        raw.append(
            (arm, len(shares), *(_mean([s[k] for s in shares]) for k in ("encoder", "decoder", "all_but_heads")),
             " ".join(frozen), "; ".join(warnings))
        )  # fmt: skip
    return Table(
        "transfer",
        "Share of the parameters that start from pretrained weights, and frozen networks inside.",
        ("trainer", "trainings with transfer", "encoder", "decoder", "all but the heads", "frozen inside", "warnings"),
        rows,
        ("trainer", "trainings_with_transfer", "encoder", "decoder", "all_but_heads", "frozen", "warnings"),
        raw,
        headers=1,
    )


def _percent(values: Sequence[float]) -> str:
    return f"{sum(values) / len(values):.1%}" if values else "–"


def _mean(values: Sequence[float]) -> float | str:
    return sum(values) / len(values) if values else ""


def _ends(interval: Interval | None) -> tuple[Any, Any]:
    return (interval.low, interval.high) if interval else ("", "")


def write_csv(table: Table, folder: Path) -> Path:
    """Write the CSV of a table; gaps are empty cells, an amount beyond the curve is ``inf``.

    Args:
        table: Table to write.
        folder: Folder to write into.

    Returns:
        The file.
    """
    return write_csv_file(folder / f"{table.name}.csv", table.raw_columns, table.raw_rows)
