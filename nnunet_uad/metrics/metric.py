"""A metric as a row of a table: its key in the files, and what computes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from nnunet_uad.common.bounds import ANY_FINITE, Bounds

T = TypeVar("T")


@dataclass(frozen=True)
class Metric(Generic[T]):
    """A metric of anything; the tables of metrics say of what.

    Attributes:
        key: Key in the files of scores.
        of: Function that computes it; ``None`` or NaN where it is undefined.
    """

    key: str
    of: Callable[[T], float | None]


@dataclass(frozen=True)
class ReportedMetric(Metric[T]):
    """A metric that reports show.

    Attributes:
        label: Heading on pages.
        column: Heading of the CSV.
        digits: Number of decimals on pages.
        better: ``higher`` or ``lower``, the end at which the best case or trainer is.
        bounds: Values that it can have.
    """

    label: str
    column: str
    digits: int = 3
    better: str = "higher"
    bounds: Bounds = ANY_FINITE

    @property
    def sign(self) -> int:
        """1 where higher values are better, −1 where lower ones are: the best has the highest product."""
        return 1 if self.better == "higher" else -1


def values_of(metrics: Iterable[Metric[T]], subject: T) -> dict[str, float]:
    """Key → value of every metric of ``subject``; NaN where it is undefined."""
    values = {metric.key: metric.of(subject) for metric in metrics}
    return {key: float("nan") if value is None else value for key, value in values.items()}
