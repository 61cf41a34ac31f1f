"""Numbers as text, and the answer to the study's question in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nnunet_uad.metrics.segmentation import PRIMARY, RANKING
from nnunet_uad.report.analysis import ENOUGH, Analysis, CellRow, DifferenceRow
from nnunet_uad.report.collect import Results
from nnunet_uad.report.label_free import map_rows, strongest_floor
from nnunet_uad.statistics.comparison import Comparison
from nnunet_uad.statistics.intervals import Interval
from nnunet_uad.study.arms import screen_words
from nnunet_uad.study.planning.hours import cut_words, is_cut

GAP = "not finished"
MINUS = "−"
_FEW_CASES = 6


def number(value: float | None, digits: int = 3, signed: bool = False) -> str:
    """A number with a true minus sign; a dash where there is none."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    return f"{value:{'+' if signed else ''}.{digits}f}".replace("-", MINUS)


def span(interval: Interval | None, digits: int = 3, signed: bool = False) -> str:
    """An interval as ``0.701 to 0.792``."""
    if interval is None:
        return "–"
    return f"{number(interval.low, digits, signed)} to {number(interval.high, digits, signed)}"


def p_value(p: float) -> str:
    """``0.031``, ``< 0.001`` or a dash."""
    if math.isnan(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def interval_words(interval: Interval | None, signed: bool = False) -> str:
    """``95 % interval 0.7 to 0.8``."""
    return f"95 % interval {span(interval, signed=signed)}" if interval else "no interval known"


def p_words(p: float) -> str:
    """``p = 0.031`` or ``p < 0.001``."""
    if math.isnan(p):
        return "no test"
    return f"p {p_value(p)}" if p < 0.001 else f"p = {p_value(p)}"


def labels(amount: float, results: Results, largest: float) -> str:
    """An amount of labels in words."""
    if amount == 0:
        return "fewer than the smallest budget"
    if math.isinf(amount):
        return f"more than {largest:.0f} {results.unit}"
    return f"about {amount:.2g} {results.unit}" if amount < 10 else f"about {amount:.0f} {results.unit}"


def factor(value: float) -> str:
    """A label-saving factor; the ends of the baseline's curve are ends of what is known."""
    if math.isnan(value):
        return "–"
    if value == 0:
        return "below the curve"
    return "beyond the curve" if math.isinf(value) else f"× {value:.2f}"


def factor_span(low: float, high: float) -> str:
    """The interval of a factor; one word where both ends lie on the same side of the curve."""
    return factor(low) if factor(low) == factor(high) else f"{factor(low)} to {factor(high)}"


def question(results: Results) -> str:
    """What the study asks."""
    others = results.trained[1:]
    if not results.arms:
        return f"How well do {', '.join(results.label_free)} find the lesions of {results.datasets[0]} without labels?"
    asked = f"How many labels does {results.datasets[0]} need"
    if not others:
        return f"{asked}?"
    return f"{asked}, and {'does' if len(others) == 1 else 'which of'} {', '.join(others)} save any?"


def answer(results: Results, analysis: Analysis, forecasts: Sequence[str] = ()) -> list[str]:
    """The answer, a sentence or two per entry; says what is not known as plainly as what is.

    Args:
        results: Results of the study.
        analysis: Numbers of the tables.
        forecasts: Sentences of the forecast.
    """
    if not results.arms:
        return [*_map_words(results), *_caveats(results, analysis)]
    return [
        _curve_words(results, analysis),
        *_difference_words(results, analysis),
        _enough_words(results, analysis),
        *forecasts,
        *_map_words(results),
        *_unseen_words(results, analysis),
        *_screened_words(results, analysis),
        *_caveats(results, analysis),
    ]


def _own(rows: list, results: Results) -> list:
    return [r for r in rows if r.dataset == results.datasets[0]]


def _curve_words(results: Results, analysis: Analysis) -> str:
    cells = [c for c in _own(analysis.cells, results) if c.arm == results.baseline and c.finished]
    if not cells:
        return f"The baseline {results.baseline} is not finished, so nothing can be compared yet."
    first, last = cells[0], cells[-1]
    text = f"{results.baseline} reaches a mean {PRIMARY.label} of {_value(first)} with {first.budget.words}"
    return f"{text} and {_value(last)} with {last.budget.words}." if last is not first else f"{text}."


def _value(cell: CellRow) -> str:
    return f"{number(cell.score)} ({interval_words(cell.interval)})"


def _difference_words(results: Results, analysis: Analysis) -> list[str]:
    rows = [r for r in _own(analysis.differences, results) if r.comparison and r.metric is PRIMARY]
    # A screen has the segmentations of another arm.
    rows = [r for r in rows if r.arm in results.trained]
    if not rows:
        return []
    clear = [r for r in rows if r.clear]
    lines = [_sentence(r, r.comparison, results) for r in clear if r.comparison]
    if len(clear) < len(rows):
        most = max((r for r in rows if not r.clear), key=lambda r: abs(r.comparison.difference))
        start = "The other differences are not clear" if clear else f"No arm differs clearly from {results.baseline}"
        lines.append(
            f"{start}: the largest, {most.arm} with {most.budget.words}, is "
            f"{number(most.comparison.difference, signed=True)} "
            f"({interval_words(most.comparison.interval, signed=True)}, {p_words(most.corrected_p)})."
        )
    return lines


def _sentence(row: DifferenceRow, comparison: Comparison, results: Results) -> str:
    verb = "raises" if comparison.difference > 0 else "lowers"
    return (
        f"With {row.budget.words}, {row.arm} {verb} the mean {PRIMARY.label} by "
        f"{number(abs(comparison.difference))} against {results.baseline} "
        f"({interval_words(comparison.interval, signed=True)}, {p_words(row.corrected_p)} after "
        f"Holm's correction, {comparison.better:.0%} of the cases better)."
    )


def _enough_words(results: Results, analysis: Analysis) -> str:
    needed = analysis.enough.get(results.datasets[0], {})
    largest = results.amount(results.budgets[-1].text)
    if results.baseline not in needed:
        return "There are gaps, or too few budgets, so it is not said how many labels are enough."
    words = [f"{arm} {labels(amount, results, largest)}" for arm, amount in needed.items()]
    return (
        f"For {ENOUGH:.0%} of what {results.baseline} reaches with its largest finished budget, the curves of the "
        f"means need: {'; '.join(words)}."
    )


def _unseen_words(results: Results, analysis: Analysis) -> list[str]:
    lines = []
    for dataset in results.datasets[1:]:
        cells = [c for c in analysis.cells if c.dataset == dataset and c.finished]
        if cells:
            best = max(cells, key=lambda c: PRIMARY.sign * c.score)
            base = [c for c in cells if c.arm == results.baseline and c.budget.text == best.budget.text]
            other = bool(base) and best.arm != results.baseline
            against = f"; {results.baseline} with as many labels: {number(base[0].score)}" if other else ""
            lines.append(
                f"On {dataset}, which no model was trained on, the highest mean {PRIMARY.label} is {_value(best)} "
                f"({best.arm}, {best.budget.words}{against})."
            )
    return lines


def _screened_words(results: Results, analysis: Analysis) -> list[str]:
    """How screens rank voxels, beside the two arms that each is made of."""
    lines = []
    for dataset in results.datasets:
        ranked = {row.name: row.values["AP"] for row in map_rows(results, dataset) if row.learnt}
        for name, (segments, maps) in results.screens.items():
            finished = [c for c in analysis.cells if (c.dataset, c.arm) == (dataset, name) and c.finished]
            if finished:
                own = finished[-1]
                alone = analysis.cell(dataset, own.budget.text, segments).values[RANKING.key]
                lines.append(
                    f"{name} ({screen_words(segments, maps)}) reaches a mean {RANKING.label} of "
                    f"{number(own.values[RANKING.key])} on {dataset} with {own.budget.words}; {segments} alone "
                    f"{number(alone)}, the map alone {number(ranked.get(maps))}."
                )
    return lines


def _map_words(results: Results) -> list[str]:
    """What the best anomaly map reaches, beside the strongest floor."""
    lines = []
    for dataset in results.datasets:
        rows = map_rows(results, dataset)
        best = max((r for r in rows if r.learnt), key=lambda r: r.values["AP"], default=None)
        floor = strongest_floor(rows)
        if best is None:
            continue
        text = (
            f"Without any label, the map of {best.name} reaches a mean AP of {number(best.values['AP'])} "
            f"({interval_words(best.intervals['AP'])}) on {dataset}, and a mean Dice of at most "
            f"{number(best.values['Dice'])}, with a threshold chosen on the test cases themselves"
        )
        if floor is not None:
            text += f"; the strongest floor, {floor.name}, without any model, an AP of {number(floor.values['AP'])}"
        lines.append(f"{text}.")
    return lines


def _caveats(results: Results, analysis: Analysis) -> list[str]:
    lines = []
    cut = results.layout.plan.get("cut")
    if cut and is_cut(cut):
        lines.append(cut_words(cut))
    if results.missing:
        planned = len(results.layout.cells) + len(results.layout.map_cells)
        lines.append(
            f"{len(results.missing)} of {planned} trainings are not finished; they are gaps in every table, not zeros."
        )
    own = results.datasets[0]
    maps = [r.cases for r in map_rows(results, own)]
    cases = max([c.cases for c in analysis.cells if c.dataset == own] + maps, default=0)
    trainings = max((c.trainings for c in _own(analysis.cells, results)), default=0)
    if cases < _FEW_CASES:
        lines.append(
            f"With {cases} test case{'' if cases == 1 else 's'} no rank test can reach 5 %; only the intervals speak."
        )
    if results.arms and trainings < 3:
        lines.append(
            f"With {trainings} training{'' if trainings == 1 else 's'} per cell little is known about how much another "
            "draw of labels would change."
        )
    return lines
