import math

from nnunet_uad.report.words import factor, number, p_value, span
from nnunet_uad.statistics.intervals import Interval


def test_numbers_in_words():
    assert number(-0.0415, signed=True) == "−0.042" and number(0.5, 2) == "0.50"
    assert number(math.nan) == "–" == number(None) and number(math.inf) == "∞"
    assert span(Interval(-0.01, 0.2), signed=True) == "−0.010 to +0.200" and span(None) == "–"
    assert p_value(0.0004) == "< 0.001" and p_value(0.0312) == "0.031" and p_value(math.nan) == "–"
    assert factor(0) == "below the curve" and factor(math.inf) == "beyond the curve" and factor(1.5) == "× 1.50"
