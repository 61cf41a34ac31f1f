import math
from dataclasses import replace

from nnunet_uad.metrics.segmentation import PRIMARY
from nnunet_uad.report.analysis import analyse
from nnunet_uad.report.collect import collect
from nnunet_uad.report.words import (
    answer,
    factor,
    factor_span,
    interval_words,
    number,
    p_value,
    p_words,
    question,
    span,
)
from nnunet_uad.statistics.intervals import Interval
from nnunet_uad.study.layout import Layout


def test_numbers_in_words():
    assert number(-0.0415, signed=True) == "−0.042" and number(0.5, 2) == "0.50"
    assert number(math.nan) == "–" == number(None) and number(math.inf) == "∞"
    assert span(Interval(-0.01, 0.2), signed=True) == "−0.010 to +0.200" and span(None) == "–"
    assert p_value(0.0004) == "< 0.001" and p_value(0.0312) == "0.031" and p_value(math.nan) == "–"
    assert factor(0) == "below the curve" and factor(math.inf) == "beyond the curve" and factor(1.5) == "× 1.50"
    assert factor_span(math.inf, math.inf) == "beyond the curve" and factor_span(0, 1.5) == "below the curve to × 1.50"
    assert p_words(math.nan) == "no test" and p_words(1e-9) == "p < 0.001" and p_words(0.5) == "p = 0.500"
    assert interval_words(None) == "no interval known"
    assert interval_words(Interval(0.1, 0.2), signed=True) == "95\u00a0% interval +0.100 to +0.200"


def test_the_answer_comes_first_and_says_what_is_not_known(finished):
    layout = Layout(finished.folder / "study")
    results = collect(layout)
    lines = answer(results, analyse(results))
    assert lines[0].startswith("scratch reaches a mean Dice of 0.4") and "with 2 slices" in lines[0]
    # Two test cases: however large the difference, no test can be significant.
    assert lines[1].startswith("No arm differs clearly from scratch") and "+0.1" in lines[1]
    assert any("no rank test can reach 5 %" in line for line in lines)
    assert any("With 2 trainings per cell" in line for line in lines)


def test_the_question_names_the_arms(finished):
    results = collect(Layout(finished.folder / "study"))
    assert question(results) == "How many labels does Dataset991_Tiny need, and does DAE save any?"


def test_the_largest_difference_is_that_of_the_largest_size(finished):
    results = collect(Layout(finished.folder / "study"))
    analysis = analyse(results)
    rows = list(analysis.differences)
    place = next(i for i, row in enumerate(rows) if row.comparison and row.metric is PRIMARY)
    rows[place] = replace(rows[place], comparison=replace(rows[place].comparison, difference=-0.9))
    assert "the largest, DAE with" in (said := answer(results, replace(analysis, differences=rows))[1])
    assert "is −0.900 " in said
