import math

from nnunet_uad.report.forecast_words import forecast_lines, forecast_table, gain_words, needed_words
from nnunet_uad.report.forecasts import ForecastRow
from nnunet_uad.statistics.forecast import Estimate, Forecast, Withheld

GAIN = Estimate(0.021, 0.001, 0.034)


def row(needed=None, gain=GAIN, withheld=None, arm="scratch", more=5, target=0.85):
    made = Forecast(10, more, withheld, None if withheld else gain, needed, 0.83)
    return ForecastRow("Dataset001_X", arm, (1.0, 3.0, 10.0), target, made)


def test_a_forecast_is_a_sentence():
    (line,) = forecast_lines([row(Estimate(27.3, 19.2, 44.5))], "Dataset001_X")
    gain = "Dice +0.021 (95 % interval +0.001 to +0.034)"
    assert line == f"Forecast for scratch: Dice 0.85 needs 20 to 45 cases in all; the next 5 cases bring {gain}."
    assert forecast_lines([row()], "Dataset002_Y") == []
    assert forecast_lines([row(more=1)], "Dataset001_X") == [f"Forecast for scratch: the next case brings {gain}."]


def test_cases_are_whole():
    assert needed_words(row(Estimate(3.0, 2.9999999999, 3.0))) == "Dice 0.85 needs 3 cases in all"
    assert needed_words(row(Estimate(0.2, 0.01, 1.5))) == "Dice 0.85 needs 1 to 2 cases in all"
    assert needed_words(row(Estimate(0.2, 0.01, 0.9))) == "Dice 0.85 needs 1 case in all"
    assert needed_words(row()) == "–" == gain_words(Forecast(10, 5, Withheld.NO_GAIN))


def test_what_is_withheld_has_its_reason():
    above = needed_words(row(Estimate(math.inf, 12.5, math.inf, Withheld.ABOVE_ASYMPTOTE)))
    assert above == "how many cases Dice 0.85 needs is withheld: the curve tends to 0.830"
    far = needed_words(row(Estimate(30, 12.5, math.inf, Withheld.TOO_FAR)))
    assert far.startswith("Dice 0.85 needs at least 13 cases in all; at most how many is withheld: ")
    assert far.endswith("the curve is trusted up to 50 only, 5 times its largest budget")
    assert "2 to 38 is too wide" in needed_words(row(Estimate(9, 1.5, 38, Withheld.TOO_WIDE)))
    wide = gain_words(Forecast(10, 5, gain=Estimate(0.1, 0.0, 0.2, Withheld.TOO_WIDE)))
    assert wide == "what the next 5 cases would bring is withheld: +0.000 to +0.200 is too wide to be of use"


def test_the_lower_end_is_no_farther_than_the_curve_is_trusted():
    assert "at least 50 cases" in needed_words(row(Estimate(400, 90, math.inf, Withheld.TOO_FAR)))
    assert "at least 1 case in all" in needed_words(row(Estimate(30, 0.4, math.inf, Withheld.TOO_FAR)))


def test_what_is_told_comes_first():
    far, wide = Estimate(30, 12.5, math.inf, Withheld.TOO_FAR), Estimate(0.1, 0.0, 0.2, Withheld.TOO_WIDE)
    (line,) = forecast_lines([row(far)], "Dataset001_X")
    assert line.startswith("Forecast for scratch: the next 5 cases bring Dice +0.021")
    (line,) = forecast_lines([row(far, gain=wide)], "Dataset001_X")
    assert line.startswith("Forecast for scratch: Dice 0.85 needs at least 13 cases")


def test_arms_without_a_forecast_share_a_line_per_reason():
    rows = [
        row(withheld=Withheld.NO_GAIN, arm="a"),
        row(withheld=Withheld.FEW_BUDGETS, arm="b"),
        row(withheld=Withheld.NO_GAIN, arm="c"),
    ]
    first, second = forecast_lines(rows, "Dataset001_X")
    assert first.startswith("No forecast for b: ") and "three budgets" in first
    assert second.startswith("No forecast for a, c: ") and "does not rise clearly" in second


def test_the_csv_has_no_number_that_is_withheld():
    far = Estimate(30, 12.5, math.inf, Withheld.TOO_FAR)
    table = forecast_table([row(far), row(withheld=Withheld.NO_GAIN), row()])
    first, second, third = (dict(zip(table.raw_columns, values, strict=True)) for values in table.raw_rows)
    assert first["gain"] == 0.021 and first["cases_needed"] == "" and "too far" in first["cases_needed_withheld"]
    assert second["gain"] == "" and second["gain_withheld"] == "no clear gain" and second["budgets"] == "1 3 10"
    assert third["cases_needed"] == third["cases_needed_withheld"] == ""
    assert table.rows[1][3] == "withheld: no clear gain" and table.headers == 3
