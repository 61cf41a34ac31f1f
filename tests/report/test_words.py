import math

from nnunet_uad.report.words import factor, factor_span, interval_words, number, p_value, p_words, span
from nnunet_uad.statistics.intervals import Interval


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
