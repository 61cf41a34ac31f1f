import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from nnunet_uad.study.planning.ordering import interleave, spread_order


@given(st.integers(0, 70), st.integers(0, 10**6))
def test_every_beginning_is_spread_over_the_ranks(count, seed):
    order = spread_order(range(count), random.Random(seed))
    assert sorted(order) == list(range(count))
    for power in range(count.bit_length()):
        # The first 2^k lie in different parts of 2^k parts (parts differ by at most one element in size).
        parts = 2**power
        if parts <= count:
            ranks = sorted(order[:parts])
            assert all(abs(r - (k + 0.5) * count / parts) <= count / parts / 2 + 2 for k, r in enumerate(ranks))


def test_every_element_is_equally_likely_to_be_the_first():
    count, draws = 7, 7000
    first = Counter(spread_order(range(count), random.Random(s))[0] for s in range(draws))
    assert all(abs(first[k] - draws / count) < 5 * (draws / count) ** 0.5 for k in range(count))


def test_a_seed_decides():
    assert spread_order("abcdefg", random.Random(1)) == spread_order("abcdefg", random.Random(1))
    assert len({tuple(spread_order(range(8), random.Random(s))) for s in range(30)}) > 20


def test_interleave():
    assert interleave([1, 2, 3], [7]) == [1, 7, 2, 3]
    assert interleave([], [7, 8]) == [7, 8]
