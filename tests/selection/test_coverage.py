import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nnunet_uad.selection.coverage import choose, distances, merits, percentiles, standardised

POINTS = arrays(float, st.tuples(st.integers(2, 12), st.integers(1, 4)), elements=st.integers(-5, 5))


def _mean_distance(apart, centres):
    return apart[:, centres].min(axis=1).mean()


def test_the_most_typical_of_the_largest_group_comes_first_then_the_other_group():
    points = np.array([[0.0], [1.0], [2.0], [3.0], [4.0], [20.0], [21.0], [22.0]])
    chosen = choose(distances(points), [], np.ones(8), 3)
    assert chosen[0].unit in (3, 4) and chosen[0].distance is None
    assert chosen[1].unit == 6 and chosen[1].covers == 3
    assert chosen[1].distance == pytest.approx(abs(points[6, 0] - points[chosen[0].unit, 0]))


def test_what_resembles_a_labelled_one_covers_nobody():
    points = np.array([[0.0], [0.0], [0.1], [5.0]])
    chosen = choose(distances(points), [0], np.ones(4), 3)
    assert [c.unit for c in chosen] == [3, 2, 1] and chosen[0].gain == pytest.approx(5 / 5.1)


def test_merit_decides_between_alike():
    points = np.array([[-1.0], [1.0], [-1.0], [1.0]])
    apart = distances(points)
    assert choose(apart, [], np.array([1, 1, 1, 1.5]), 1)[0].unit == 3
    assert choose(apart, [], np.array([1, 1, 1.5, 1]), 1)[0].unit == 2


def test_all_that_is_left_is_listed_and_nothing_else():
    apart = distances(np.arange(4.0)[:, None])
    assert sorted(c.unit for c in choose(apart, [1], np.ones(4), 9)) == [0, 2, 3]
    assert choose(apart, [0, 1, 2, 3], np.ones(4), 2) == []
    assert [c.unit for c in choose(np.zeros((1, 1)), [], np.ones(1), 1)] == [0]


@given(POINTS, st.data())
def test_choices_of_few_are_the_first_of_many_and_each_is_the_best_step(points, data):
    apart = distances(standardised(points))
    labelled = data.draw(st.sets(st.integers(0, len(points) - 1), min_size=1, max_size=len(points) - 1))
    many = choose(apart, sorted(labelled), np.ones(len(points)), len(points))
    assert [c.unit for c in choose(apart, sorted(labelled), np.ones(len(points)), 1)] == [many[0].unit]
    assert len({c.unit for c in many} | labelled) == len(points) and not {c.unit for c in many} & labelled
    free = [i for i in range(len(points)) if i not in labelled]
    best = min(_mean_distance(apart, [*labelled, i]) for i in free)
    assert _mean_distance(apart, [*labelled, many[0].unit]) == pytest.approx(best)


@given(POINTS)
def test_standardised_entries_and_their_distances(points):
    found = standardised(points)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-9)
    assert all(s == pytest.approx(1) or s == 0 for s in found.std(axis=0))
    apart = distances(found)
    direct = np.sqrt(((found[:, None] - found[None]) ** 2).mean(axis=2))
    np.testing.assert_allclose(apart, direct, atol=1e-6)
    assert (np.diag(apart) == 0).all()


def test_percentiles_and_merits():
    np.testing.assert_allclose(percentiles(np.array([3.0, 1.0, 2.0, np.nan])), [1, 0, 0.5, 0.5])
    np.testing.assert_allclose(percentiles(np.array([1.0, 1.0])), [0.5, 0.5])
    np.testing.assert_allclose(percentiles(np.array([7.0])), [0.5])
    shares = np.array([0.0, 1.0])
    np.testing.assert_allclose(merits([(shares, 1.0), (shares, 0.5)]), [1, 3])
    np.testing.assert_allclose(merits([(shares, 0.0)]), [1, 1])
