import numpy as np

from nnunet_uad.statistics.matrix import ScoreMatrix


def test_from_entries():
    scores = ScoreMatrix.of([((0, 0), "b", 0.5), ((0, 0), "a", None), ((1, 0), "c", 0.7), ((0, 0), "d", float("nan"))])
    assert scores.trainings == ((0, 0), (1, 0)) and scores.cases == ("b", "c")
    np.testing.assert_array_equal(scores.values, [[0.5, np.nan], [np.nan, 0.7]])
    assert scores.mean == 0.6 and scores.per_case.tolist() == [0.5, 0.7]
    assert np.isnan(ScoreMatrix.of([]).mean)


def test_difference_on_what_both_have():
    a = ScoreMatrix.of([(0, "x", 0.9), (0, "y", 0.8), (1, "x", 0.7), (2, "x", 0.1)])
    b = ScoreMatrix.of([(0, "x", 0.5), (1, "x", 0.5), (1, "y", 0.5), (0, "z", 0.5)])
    scores = a.minus(b)
    assert scores.trainings == (0, 1) and scores.cases == ("x",)
    np.testing.assert_allclose(scores.values, [[0.4], [0.2]])
    some = a.restricted({1, 2})
    assert some.trainings == (1, 2) and some.cases == ("x",) and some.values.tolist() == [[0.7], [0.1]]
    assert a.restricted({9}).values.shape == (0, 0)
    assert a.minus(ScoreMatrix.of([(7, "x", 0.5)])).values.size == 0
