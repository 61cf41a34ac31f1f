"""One self-contained page and its tables as CSV."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from tqdm import tqdm

from nnunet_uad.common.files import write_text
from nnunet_uad.common.pages import render_page
from nnunet_uad.metrics.segmentation import PRIMARY
from nnunet_uad.report.analysis import Analysis, analyse
from nnunet_uad.report.collect import Results, collect
from nnunet_uad.report.figures import drawn_forecasts, efficiency_figure, reliability_figure
from nnunet_uad.report.forecast_words import forecast_lines, forecast_table
from nnunet_uad.report.forms import read_robustness
from nnunet_uad.report.label_free import map_rows
from nnunet_uad.report.pictures import case_pictures
from nnunet_uad.report.provenance import citations, provenance
from nnunet_uad.report.tables import (
    Table,
    arm_table,
    case_table,
    difference_tables,
    map_table,
    pathology_table,
    reliability_table,
    saving_table,
    score_table,
    transfer_table,
    write_csv,
)
from nnunet_uad.report.words import answer, question
from nnunet_uad.study.layout import Layout

PAGE = "index.html"
TEMPLATE = Path(__file__).resolve().parent / "templates" / "report.html"


def write_report(layout: Layout, settings: str, output: Path, target: float | None = None) -> Path:
    """Write ``index.html`` and the tables.

    Args:
        layout: Layout of a study, finished or not.
        settings: Text of ``study.yaml``.
        output: Folder to write into.
        target: Mean of the primary metric whose need of labels is forecast; the next round one without it.

    Returns:
        The page.

    Raises:
        ValueError: Nothing is finished yet.
    """
    results = collect(layout)
    with tqdm(total=4, desc="report") as bar:
        analysis = analyse(results, target)
        bar.update()
        content = page_content(results, analysis, settings)
        bar.update()
        output.mkdir(parents=True, exist_ok=True)
        for table in _all_tables(content, results):
            write_csv(table, output)
        bar.update()
        write_text(output / PAGE, render(content))
        bar.update()
    return output / PAGE


def page_content(results: Results, analysis: Analysis, settings: str) -> dict[str, Any]:
    """What the template shows."""
    study = results.layout.study
    return {
        "title": study.title or f"{results.datasets[0]}, {study.configuration}",
        "question": question(results),
        "answer": answer(results, analysis, forecast_lines(analysis.forecasts, results.datasets[0])),
        "baseline": results.baseline,
        "metric": PRIMARY,
        "datasets": [_dataset_content(results, analysis, d) for d in results.datasets],
        "savings": saving_table(results, analysis),
        "forecasts": forecast_table(analysis.forecasts),
        "pathologies": pathology_table(results, analysis) if len(results.datasets) > 1 and results.arms else None,
        "pictures": case_pictures(results, analysis),
        "trainers": arm_table(results),
        "transfer": transfer_table(results),
        "robustness": _robustness(results.layout.folder),
        "missing": [cell.identifier for cell in results.missing],
        "cells": len(results.layout.cells) + len(results.layout.map_cells),
        "settings": settings,
        "provenance": provenance(results),
        "citations": citations(results),
        "date": datetime.date.today().isoformat(),
    }


def _dataset_content(results: Results, analysis: Analysis, dataset: str) -> dict[str, Any]:
    """Figures and tables of a dataset; what a study without labels, or without anything else, has not is ``None``."""
    maps = map_rows(results, dataset)
    labelled = bool(results.arms)
    return {
        "name": dataset,
        "own": dataset == results.datasets[0],
        "curve": efficiency_figure(results, analysis, dataset, maps) if labelled else None,
        "forecast": bool(drawn_forecasts(results, analysis, dataset)),
        "scores": score_table(results, analysis, dataset) if labelled else None,
        "differences": difference_tables(results, analysis, dataset),
        "maps": map_table(maps, dataset) if maps else None,
        "reliability": reliability_figure(results, dataset) if labelled else None,
    }


def _all_tables(content: dict[str, Any], results: Results) -> list[Table]:
    tables = [content["savings"], content["pathologies"], content["trainers"], content["transfer"]]
    tables += [content["forecasts"], reliability_table(results)]
    tables += [case_table(results)]
    for dataset in content["datasets"]:
        tables += [dataset["scores"], *dataset["differences"], dataset["maps"]]
    return [t for t in tables if t is not None]


def _robustness(folder: Path) -> dict[str, Any] | None:
    """What ``nnunet_uad robustness -o STUDY/robustness`` has left, if anything."""
    path = folder / "robustness" / "robustness.json"
    if not path.is_file():
        return None
    return read_robustness(path)


def render(content: dict[str, Any]) -> str:
    """The page as HTML."""
    return render_page(TEMPLATE, content)
