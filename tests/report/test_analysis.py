import math

import numpy as np
import pytest
import studies
import tiny

from nnunet_uad.report.analysis import ENOUGH, analyse
from nnunet_uad.report.collect import collect


def test_every_cell_has_a_row_and_every_arm_a_difference(finished):
    results = collect(studies.Layout(finished.folder / "study"))
    analysis = analyse(results)
    assert len(analysis.cells) == 2 * 3 and len(analysis.savings) == 3
    # By Dice and by AP.
    assert [r.metric.key for r in analysis.differences] == ["Dice"] * 3 + ["AP"] * 3
    cell = analysis.cell(tiny.DATASET, "3", "DAE")
    entries = results.groups[tiny.DATASET, "3", "DAE"].entries("Dice")
    assert cell.score == pytest.approx(np.mean([v for _, _, v in entries])) == cell.values["Dice"]
    assert (cell.trainings, cell.planned, cell.cases) == (2, 2, 2) and cell.finished
    assert 0 <= cell.interval.low <= cell.score <= cell.interval.high <= 1
    row = next(r for r in analysis.differences if r.budget.text == "3")
    base = analysis.cell(tiny.DATASET, "3", "scratch").score
    assert row.arm == "DAE" and row.comparison.difference == pytest.approx(cell.score - base)
    assert not row.clear and math.isnan(row.corrected_p) == math.isnan(row.comparison.p)


def test_enough_is_a_share_of_what_the_baseline_reaches(finished):
    analysis = analyse(collect(studies.Layout(finished.folder / "study")))
    needed = analysis.enough[tiny.DATASET]
    scores = [analysis.cell(tiny.DATASET, b, "scratch").score for b in ("2s", "1", "3")]
    assert scores[0] < ENOUGH * scores[-1] and 2 < needed["scratch"] < math.inf
    # The better arm needs fewer labels: already its smallest budget does.
    assert needed["DAE"] < needed["scratch"]


def test_gaps_have_no_score_and_no_labels_that_would_be_enough(workplace):
    layout = workplace.plan(budgets=[1, 3])
    studies.finish(layout, leave=tuple(i for i in layout.cells if i.startswith("DAE") and "_3_" in i))
    analysis = analyse(collect(layout))
    cell = analysis.cell(tiny.DATASET, "3", "DAE")
    assert not cell.finished and math.isnan(cell.score) and cell.trainings == 0 and cell.planned == 2
    assert all(math.isnan(value) for value in cell.values.values()) and cell.interval is None
    assert next(r for r in analysis.differences if r.budget.text == "3").comparison is None
    assert analysis.enough[tiny.DATASET] == {} and analysis.savings == []
