"""Learning rates: how a part of the network gets to its peak, then nnU-Net's decay, at fractions of an epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from torch.optim import Optimizer

#: Exponent of nnU-Net's polynomial decay.
EXPONENT = 0.9
#: Least share of the peak while a rate rises, so that a first step moves.
FIRST = 1e-3


@dataclass(frozen=True)
class Course:
    """Share of its peak that a learning rate has in the course of a training.

    Attributes:
        points: Progress, in [0, 1], and share of the peak there, in [0, 1], in ascending order from progress 0 on;
            linear between them, and after the last one, which is the peak, nnU-Net's polynomial decay to 0.
        end: Progress, in (0, 1], at which the decay ends; from there on the rate is 0.

    Example:
        >>> [Course.warmup(0.1)(progress) for progress in (0.05, 0.1, 1.0)]
        [0.5, 1.0, 0.0]
    """

    points: tuple[tuple[float, float], ...]
    end: float = 1.0

    @classmethod
    def warmup(cls, share: float, end: float = 1.0) -> Course:
        """Linear from 0; without a share nnU-Net's own course, which starts at the peak.

        Args:
            share: Share of the course until the peak, in [0, 1).
            end: Progress, in (0, 1], at which the course ends.
        """
        return cls(((0.0, 0.0), (share * end, 1.0)) if share > 0 else ((0.0, 1.0),), end)

    @classmethod
    def sawtooth(cls, share: float, alone: float, waits: bool) -> Course:
        """A tooth of those that go first, up and down, before all rise to the peak.

        Args:
            share: Share of the training until the peak, in [0, 1).
            alone: Share of that for the tooth, half of it up and half of it down, in [0, 1).
            waits: Whether this part stands still during the tooth.
        """
        start = share * alone
        if not 0 < start < share:
            return cls.warmup(share)
        tooth = ((0.0, 0.0), (start, 0.0)) if waits else ((0.0, 0.0), (start / 2, 1.0), (start, 0.0))
        return cls((*tooth, (share, 1.0)))

    @property
    def still(self) -> float:
        """Share of the training for which the rate stays 0."""
        flat = [end for (_, low), (end, high) in pairwise(self.points) if low == high == 0]
        return max(flat, default=0.0)

    def __call__(self, progress: float) -> float:
        """The share of the peak.

        Args:
            progress: Finished share of the training, in [0, 1].

        Returns:
            A factor in [0, 1]; 0 only where a part stands still, at the foot of a fall and at the end.
        """
        for (start, low), (end, high) in pairwise(self.points):
            if progress < end:
                factor = low + (high - low) * ((progress - start) / (end - start))
                return max(factor, FIRST) if high > low else factor
        peak = self.points[-1][0]
        return max(0.0, 1.0 - (progress - peak) / (self.end - peak)) ** EXPONENT


class RateSchedule:
    """Sets every parameter group's rate to its own peak times its :class:`Course`.

    nnU-Net steps its scheduler once an epoch; a run of ten epochs would then warm up in a single jump.
    This one accepts fractional epochs, so trainers step it every iteration.

    Args:
        optimizer: Optimiser whose groups hold their peak rate under ``peak_lr`` and, optionally, ``frozen_until``: the
            epoch (exclusive) up to which the group's rate stays 0.
        num_epochs: Number of epochs of the whole training.
        course: Function of a group's ``name`` (empty where it has none) → its course.
    """

    def __init__(self, optimizer: Optimizer, num_epochs: int, course: Callable[[str], Course]) -> None:
        self.optimizer = optimizer
        self.num_epochs = num_epochs
        self.course = course
        self.step(0)

    def step(self, epoch: float) -> None:
        """Set the rates.

        Args:
            epoch: Epoch, with the finished share of it as a fraction.
        """
        for group in self.optimizer.param_groups:
            factor = self.course(group.get("name", ""))(epoch / self.num_epochs)
            frozen = epoch < group.get("frozen_until", 0)
            group["lr"] = 0.0 if frozen else group["peak_lr"] * factor

    def get_last_lr(self) -> list[float]:
        """The current rate of each parameter group."""
        return [group["lr"] for group in self.optimizer.param_groups]
