import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
import studies
import tiny
from forecast_truth import Noise, power_law, study

from nnunet_uad.report.analysis import analyse
from nnunet_uad.report.collect import collect
from nnunet_uad.report.figures import (
    COLOURS,
    _figure,
    _svg,
    drawn_forecasts,
    efficiency_figure,
    reliability_figure,
    style,
)
from nnunet_uad.report.forecasts import ForecastRow
from nnunet_uad.statistics.forecast import Estimate, Forecast, forecast


@pytest.fixture
def results(finished):
    return collect(studies.Layout(finished.folder / "study"))


def texts(svg):
    return {
        "".join(node.itertext()).strip() for node in ElementTree.fromstring(svg).iter() if node.tag.endswith("text")
    }


def test_curves_name_arms_and_budgets_in_the_pages_colour(results):
    svg = efficiency_figure(results, analyse(results), tiny.DATASET)
    assert {"scratch", "DAE", "mean Dice", "2 slices", "1 case", "3 cases"} <= texts(svg)
    assert 'role="img"' in svg and f"Mean Dice on {tiny.DATASET}" in svg
    assert "currentColor" in svg and "#010203" not in svg and COLOURS[1] in svg


def test_a_forecast_carries_the_curve_on(workplace):
    layout = workplace.plan(budgets=[1, 3])
    studies.finish(layout)
    results = collect(layout)
    analysis = analyse(results)
    assert drawn_forecasts(results, analysis, tiny.DATASET) == []
    budgets, quiet = (1, 2, 5), Noise(0.01, 0.5, 0.02, 0.9, 0.02)
    scores = study(np.random.default_rng(0), power_law(0.9, 0.5, 0.5), budgets, 5, 30, quiet)
    rows = [ForecastRow(tiny.DATASET, "DAE", budgets, 0.7, forecast(budgets, scores, 0.7))]
    analysis = replace(analysis, forecasts=rows)
    assert drawn_forecasts(results, analysis, tiny.DATASET) == rows
    # Ticks at twice the largest budget, and where the curve ends.
    assert {"1 case", "3 cases", "10", "25"} <= texts(efficiency_figure(results, analysis, tiny.DATASET))


def test_cases_are_not_drawn_over_slices(results):
    rows = [ForecastRow(tiny.DATASET, "DAE", (1, 2, 5), None, Forecast(5, 5, gain=Estimate(0.1, 0.0, 0.1)))]
    assert drawn_forecasts(results, replace(analyse(results), forecasts=rows), tiny.DATASET) == []


def test_panels_of_the_reliability_are_the_budgets(results):
    svg = reliability_figure(results, tiny.DATASET)
    assert {"2 slices", "1 case", "3 cases", "observed share", "scratch", "DAE"} <= texts(svg)


def test_figures_on_one_page_share_no_identifier(results):
    figures = (efficiency_figure(results, analyse(results), tiny.DATASET), reliability_figure(results, tiny.DATASET))
    names = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in figures]
    assert all(names) and not names[0] & names[1]
    # What a figure refers to is in it.
    for svg, own in zip(figures, names, strict=True):
        assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg)) <= own


def test_a_name_leaves_neither_its_label_nor_the_page():
    name = 'a" onload="x" <script>&'
    (svg,) = [ElementTree.fromstring(_svg(_figure(1, 2, 2)[0], name))]
    assert svg.get("aria-label") == name and svg.get("onload") is None


def test_arms_differ_in_more_than_their_colour():
    first, second = style(0), style(1)
    assert all(first[key] != second[key] for key in ("color", "marker", "linestyle"))
