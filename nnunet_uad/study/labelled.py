"""Which cases, and how many labels: as a study's file says it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from nnunet_uad.common.bounds import Bounds
from nnunet_uad.common.schema import ONE_OR_MORE, Before, Word, shown

#: What budgets are written as.
BUDGET = r"[1-9][0-9]{0,6}s?|all"


@dataclass(frozen=True)
class Budget:
    """A number of labels: cases, slices, or everything.

    Attributes:
        text: Number and unit: ``4s`` (slices), ``3`` (cases) or ``all``.
    """

    text: str

    def __post_init__(self) -> None:
        if not re.fullmatch(BUDGET, self.text):
            raise ValueError(f"A budget is a number of cases (3), of slices (16s) or all, found {shown(self.text)}.")

    @property
    def in_slices(self) -> bool:
        """Whether it counts slices rather than cases."""
        return self.text.endswith("s")

    @property
    def count(self) -> int | None:
        """Number of cases or slices; ``None`` for all."""
        return None if self.text == "all" else int(self.text.removesuffix("s"))

    @property
    def words(self) -> str:
        """``4 slices``, ``1 case``, ``all cases``."""
        noun = "slice" if self.in_slices else "case"
        return f"{self.count or 'all'} {noun}{'' if self.count == 1 else 's'}"


@dataclass(frozen=True)
class Choice:
    """Which cases: by name, by a regular expression, drawn at random, or drawn from those that the expression matches.

    Attributes:
        names: Identifiers of the cases.
        matching: Regular expression of the whole identifier.
        draw: Number of cases to draw; all if not given.
        by: Regular expression that finds the group of a case in its identifier (``lgg_(..)``: its first parentheses,
            else all that it matches); every group gets its share of what is drawn.
    """

    names: Annotated[tuple[Word, ...], ONE_OR_MORE] = ()
    matching: Word = ""
    draw: Annotated[int, Bounds(1, 10**6)] | None = None
    by: Word = ""

    def __post_init__(self) -> None:
        if bool(self.names) == bool(self.matching or self.draw):
            raise ValueError("expects a list of cases, a regular expression, or {draw, by, matching}.")
        if self.by and not self.draw:
            raise ValueError("by says how cases are drawn: say how many, too (draw).")
        for key, pattern in {"matching": self.matching, "by": self.by}.items():
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{key} is no regular expression: {error} in {shown(pattern)}.") from error
        twice = sorted({name for name in self.names if self.names.count(name) > 1})
        if twice:
            raise ValueError(f"lists {', '.join(twice)} twice.")


def _choice(entry: Any) -> Any:
    if isinstance(entry, list):
        return {"names": entry}
    return {"matching": str(entry)} if isinstance(entry, str | int) and not isinstance(entry, bool) else entry


#: Cases in a study's file: a list of names, a regular expression, or the keys of a :class:`Choice`.
Cases = Annotated[Choice, Before(_choice, also=("string", "array"))]
