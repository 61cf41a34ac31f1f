import pytest
import studies
import tiny

from nnunet_uad.report.collect import collect
from nnunet_uad.report.forecasts import forecast_rows
from nnunet_uad.statistics.forecast import Withheld


def test_arms_are_forecast_on_their_budgets_in_cases(workplace):
    layout = workplace.plan(budgets=["2s", 1, 2, 3], draws=3)
    studies.finish(layout)
    results = collect(layout)
    rows = forecast_rows(results, tiny.DATASET)
    assert [row.arm for row in rows] == ["scratch", "DAE"] and {row.cases for row in rows} == {(1.0, 2.0, 3.0)}
    best = results.groups[tiny.DATASET, "3", "scratch"].primary.mean
    # The next round number, of the baseline, for every arm.
    assert all(row.target == pytest.approx(0.05 * (int((best + 0.01) / 0.05) + 1)) for row in rows)
    assert forecast_rows(results, tiny.DATASET, 0.9)[0].target == 0.9


def test_slices_are_no_budget_in_cases(finished):
    rows = forecast_rows(collect(studies.Layout(finished.folder / "study")), tiny.DATASET)
    assert [row.made.withheld for row in rows] == [Withheld.FEW_BUDGETS] * 2 and rows[0].cases == (1.0, 3.0)


def test_arms_without_scores_have_no_row(workplace):
    layout = workplace.plan(budgets=[1, 3])
    studies.finish(layout, leave=tuple(i for i in layout.cells if i.startswith("DAE")))
    assert [row.arm for row in forecast_rows(collect(layout), tiny.DATASET)] == ["scratch"]
