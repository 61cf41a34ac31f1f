"""Cases that a study names: a list, a regular expression, a draw by group."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Collection, Sequence

from nnunet_uad.common.schema import nearest, shown
from nnunet_uad.study.labelled import Choice

_MOST_NAMED = 5


def chosen_cases(choice: Choice, cases: Collection[str], where: str, seed: str) -> list[str]:
    """The cases that are meant, ascending.

    Args:
        choice: Cases as the study's file names them.
        cases: Identifiers of all cases that may be chosen.
        where: Key of the study's file, for errors.
        seed: Seed of what is drawn.

    Raises:
        ValueError: An unknown name (the nearest is suggested), an expression that no case matches, a case without a
            group, or more to draw than there are.

    Example:
        >>> chosen_cases(Choice(matching="DU_.*"), ["DU_1", "HT_1", "DU_2"], "pool", "0")
        ['DU_1', 'DU_2']
    """
    unknown = [name for name in choice.names if name not in cases]
    if unknown:
        hint = nearest(unknown[0], sorted(cases))
        raise ValueError(f"{where}: {listed(unknown)} is none of the cases that may be chosen.{hint} {examples(cases)}")
    found = sorted(choice.names or (c for c in cases if re.fullmatch(choice.matching or ".*", c, re.DOTALL)))
    if not found:
        raise ValueError(
            f"{where}: no case matches {shown(choice.matching)}, which is compared with the whole identifier. "
            f"{examples(cases)}"
        )
    return sorted(_drawn(choice.draw, choice.by, found, where, random.Random(seed))) if choice.draw else found


def groups_of(cases: Collection[str], by: str, where: str) -> dict[str, list[str]]:
    """Group → its cases, both ascending; a single group without an expression.

    Args:
        cases: Identifiers of the cases.
        by: Regular expression that finds the group in an identifier: its first parentheses, else all that it matches.
        where: Key of the study's file, for errors.

    Raises:
        ValueError: Cases in which the expression finds nothing.

    Example:
        >>> groups_of(["lgg_DU_1", "lgg_HT_1", "lgg_DU_2"], "lgg_(..)", "pool")
        {'DU': ['lgg_DU_1', 'lgg_DU_2'], 'HT': ['lgg_HT_1']}
    """
    groups: dict[str, list[str]] = {}
    without = []
    for case in sorted(cases):
        match = re.search(by, case)
        group = match and match[1 if match.re.groups else 0]
        if group is None:
            without.append(case)
        else:
            groups.setdefault(group, []).append(case)
    if without:
        raise ValueError(f"{where}: by finds no {shown(by)} in {listed(without)}.")
    return dict(sorted(groups.items()))


def shares(sizes: Sequence[int], count: int) -> list[int]:
    """How many of ``count`` each group gets: in proportion to its size, what is left to the largest remainders.

    Args:
        sizes: Number of cases of every group.
        count: Number of cases to draw, at most the sum of ``sizes``.

    Example:
        >>> shares([11, 29, 1, 8, 21], 30)
        [5, 13, 0, 3, 9]
    """
    total = sum(sizes)
    given = [size * count // total for size in sizes]
    remainders = sorted(range(len(sizes)), key=lambda k: (-(sizes[k] * count % total), -sizes[k], k))
    for k in remainders[: count - sum(given)]:
        given[k] += 1
    return given


def _drawn(count: int, by: str, cases: list[str], where: str, rng: random.Random) -> list[str]:
    if count > len(cases):
        raise ValueError(f"{where}: draw expects at most {len(cases)}, the cases that there are, found {count}.")
    groups = list(groups_of(cases, by, where).values())
    parts = zip(groups, shares([len(group) for group in groups], count), strict=True)
    return [case for group, share in parts for case in rng.sample(group, share)]


def in_words(cases: Collection[str], by: str = "") -> str:
    """``30 (CS 5, DU 13, FG 3, HT 9)``: how many, and how many of each group.

    Args:
        cases: Identifiers of the cases.
        by: Regular expression that finds the group.
    """
    if not by:
        return str(len(cases))
    counts = Counter({group: len(members) for group, members in groups_of(cases, by, "by").items()})
    return f"{len(cases)} ({', '.join(f'{group} {number}' for group, number in sorted(counts.items()))})"


def listed(cases: Collection[str]) -> str:
    """The first few identifiers, and how many more there are."""
    more = len(cases) - _MOST_NAMED
    return ", ".join(list(cases)[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def examples(cases: Collection[str]) -> str:
    """The sentence that shows what cases are called."""
    return f"They are called {listed(sorted(cases))}." if cases else "There are none."
