"""In which order labels are drawn, so that every smaller budget is a subset of every larger one."""

from __future__ import annotations

import random
from collections.abc import Hashable, Sequence
from itertools import chain, zip_longest
from typing import TypeVar

T = TypeVar("T", bound=Hashable)

_NOTHING = object()


def spread_order(ordered: Sequence[T], rng: random.Random) -> list[T]:
    """A random order whose every beginning is spread evenly over ``ordered``: nested stratified sampling.

    The sequence is halved, each half ordered in the same way, and the two are interleaved; which half leads is
    drawn. So the first element is uniform, the first two lie in different halves, the first four in different
    quarters, and so on: a scrambled van der Corput sequence (Owen, 1995) on ranks.

    Args:
        ordered: Cases, sorted by what the strata are made of, for example the lesion volume.
        rng: Generator that decides the order.
    """
    if len(ordered) < 2:
        return list(ordered)
    # Either half may hold the odd one.
    cut = (len(ordered) + (rng.random() < 0.5)) // 2
    halves = [spread_order(ordered[:cut], rng), spread_order(ordered[cut:], rng)]
    # In proportion to their sizes, so that each element has the same chance to be the first.
    if rng.random() * len(ordered) >= cut:
        halves.reverse()
    # The longer half loses its last element to the end either way.
    mixed = chain.from_iterable(zip_longest(*halves, fillvalue=_NOTHING))
    return [value for value in mixed if value is not _NOTHING]  # type: ignore[misc]


def interleave(first: Sequence[T], second: Sequence[T]) -> list[T]:
    """Alternate between two sequences, beginning with ``first``; what is left of the longer follows."""
    mixed = chain.from_iterable(zip_longest(first, second, fillvalue=_NOTHING))
    return [value for value in mixed if value is not _NOTHING]  # type: ignore[misc]
