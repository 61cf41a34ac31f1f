"""Forecasts in words, and as a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from nnunet_uad.metrics.segmentation import PRIMARY
from nnunet_uad.report.forecasts import ForecastRow
from nnunet_uad.report.tables import Table
from nnunet_uad.report.words import number
from nnunet_uad.statistics.forecast import FARTHEST, Estimate, Forecast, Withheld

_OF_ALL = {
    Withheld.FEW_BUDGETS: "a curve takes at least three budgets of different numbers of cases",
    Withheld.FEW_TRAININGS: "fewer than three trainings per budget do not show how another draw of labels may fall",
    Withheld.FEW_CASES: "a single test case does not show how another may fall",
    Withheld.NO_GAIN: "the mean does not rise clearly from the smallest to the largest budget",
}


def forecast_lines(rows: Sequence[ForecastRow], dataset: str) -> list[str]:
    """A sentence per arm with a forecast on a dataset, then one per reason for which others have none.

    Args:
        rows: Forecasts of the study.
        dataset: Name of the dataset.
    """
    own = [row for row in rows if row.dataset == dataset]
    lines = [_sentence(row) for row in own if row.made.gain]
    for reason, words in _OF_ALL.items():
        arms = [row.arm for row in own if row.made.withheld is reason]
        if arms:
            lines.append(f"No forecast for {', '.join(arms)}: {words}.")
    return lines


def _sentence(row: ForecastRow) -> str:
    """What is told comes first: an answer should not begin with what is not known."""
    made = row.made
    parts = [(made.needed, needed_words(row)), (made.gain, gain_words(made))]
    told = sorted(((e.withheld is not None, words) for e, words in parts if e), key=lambda part: part[0])
    return f"Forecast for {row.arm}: {'; '.join(words for _, words in told)}."


def needed_words(row: ForecastRow) -> str:
    """``Dice 0.85 needs 20 to 45 cases in all``, or why that is not said; a dash without a target."""
    needed, made = row.made.needed, row.made
    if needed is None:
        return "–"
    name, farthest = f"{PRIMARY.label} {row.target:g}", FARTHEST * made.largest
    if needed.withheld is Withheld.TOO_FAR:
        least = _whole(min(needed.low, farthest))
        beyond = f"the curve is trusted up to {farthest:g} only, {FARTHEST:g} times its largest budget"
        return f"{name} needs at least {least} {_noun(least)} in all; at most how many is withheld: {beyond}"
    if needed.withheld is Withheld.ABOVE_ASYMPTOTE:
        return f"how many cases {name} needs is withheld: the curve tends to {number(made.asymptote)}"
    if needed.withheld:
        return f"how many cases {name} needs is withheld: {_cases(needed)} is too wide to be of use"
    return f"{name} needs {_cases(needed)} {_noun(_cases(needed))} in all"


def gain_words(made: Forecast) -> str:
    """``the next 5 cases bring Dice +0.020 (95 % interval +0.001 to +0.031)``, or why that is withheld, or a dash."""
    gain = made.gain
    if gain is None:
        return "–"
    noun = "next case" if made.more == 1 else f"next {made.more} cases"
    ends = f"{number(gain.low, signed=True)} to {number(gain.high, signed=True)}"
    if gain.withheld:
        return f"what the {noun} would bring is withheld: {ends} is too wide to be of use"
    verb = "brings" if made.more == 1 else "bring"
    return f"the {noun} {verb} {PRIMARY.label} {number(gain.value, signed=True)} (95 % interval {ends})"


def _noun(amount: str) -> str:
    return "case" if amount == "1" else "cases"


def _cases(needed: Estimate) -> str:
    low, high = _whole(needed.low), _whole(needed.high)
    return low if low == high else f"{low} to {high}"


def _whole(amount: float) -> str:
    """Cases are whole; what a budget reaches exactly is not one case more."""
    return number(amount) if math.isinf(amount) else f"{max(1, math.ceil(amount - 1e-9))}"


def forecast_table(rows: Sequence[ForecastRow]) -> Table:
    """All forecasts; numbers that are withheld are gaps in the CSV, with the reason beside them."""
    shown, raw = [], []
    for row in rows:
        made = row.made
        gain, needed = made.gain, made.needed
        budgets = ", ".join(f"{n:g}" for n in row.cases)
        if made.withheld:
            shown.append((row.dataset, row.arm, budgets, f"withheld: {made.withheld.value}", "–"))
        else:
            shown.append((row.dataset, row.arm, budgets, gain_words(made), needed_words(row)))
        raw.append(
            (row.dataset, row.arm, " ".join(f"{n:g}" for n in row.cases), made.more, *_raw(gain, made), row.target,
             *_raw(needed, made))
        )  # fmt: skip
    return Table(
        "forecast",
        f"What more labelled cases would bring, by a power law through the means of {PRIMARY.label}; 95 % intervals "
        "over cases and trainings.",
        ("dataset", "trainer", "budgets, cases", "next cases", "target"),
        shown,
        ("dataset", "trainer", "budgets", "next_cases", "gain", "gain_low_95", "gain_high_95", "gain_withheld",
         "target", "cases_needed", "cases_needed_low_95", "cases_needed_high_95", "cases_needed_withheld"),
        raw,
        headers=3,
    )  # fmt: skip


def _raw(estimate: Estimate | None, made: Forecast) -> tuple[Any, ...]:
    withheld = made.withheld or (estimate and estimate.withheld)
    if estimate is None or withheld:
        return ("", "", "", withheld.value if withheld else "")
    return (estimate.value, estimate.low, estimate.high, "")
