import math

import pytest

from nnunet_uad.metrics.metric import Metric, ReportedMetric, values_of


def test_values_come_by_key_and_what_is_undefined_is_nan():
    metrics = [Metric("double", lambda x: 2 * x), Metric("inverse", lambda x: 1 / x if x else None)]
    assert values_of(metrics, 4) == {"double": 8, "inverse": 0.25}
    values = values_of(metrics, 0)
    assert list(values) == ["double", "inverse"] and values["double"] == 0 and math.isnan(values["inverse"])


@pytest.mark.parametrize(("better", "best"), [("higher", 3.0), ("lower", 1.0)])
def test_the_best_value_has_the_highest_product_with_the_sign(better, best):
    metric = ReportedMetric("m", float, "M", "m", better=better)
    assert max((1.0, 2.0, 3.0), key=lambda v: metric.sign * v) == best
