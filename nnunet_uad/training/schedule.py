"""Learning rate: linear warm-up, then nnU-Net's polynomial decay, at fractions of an epoch."""

from __future__ import annotations

from torch.optim import Optimizer


def warmup_poly(progress: float, warmup: float, exponent: float = 0.9) -> float:
    """Share of the peak learning rate at ``progress``.

    Args:
        progress: Finished share of the training, in [0, 1].
        warmup: Share of the training spent on the linear warm-up, in [0, 1).
        exponent: Exponent of the polynomial decay; 0.9 is nnU-Net's.

    Returns:
        A factor in (0, 1]: ``progress / warmup`` below ``warmup`` (never 0, so that a first step moves),
        then ``(1 − (progress − warmup) / (1 − warmup)) ** exponent``.

    Example:
        >>> warmup_poly(0.05, warmup=0.1), warmup_poly(0.1, warmup=0.1), warmup_poly(1.0, warmup=0.1)
        (0.5, 1.0, 0.0)
    """
    if progress < warmup:
        return max(progress / warmup, 1e-3)
    return max(0.0, 1.0 - (progress - warmup) / (1.0 - warmup)) ** exponent


class WarmupPolySchedule:
    """Sets every parameter group's rate to its own peak times :func:`warmup_poly`.

    nnU-Net steps its scheduler once an epoch; a run of ten epochs would then warm up in a single jump.
    This one accepts fractional epochs, so trainers step it every iteration.

    Args:
        optimizer: Optimiser whose groups hold their peak rate under ``peak_lr`` and, optionally, ``frozen_until``: the
            epoch (exclusive) up to which the group's rate stays 0 (−1: never released).
        num_epochs: Number of epochs of the whole training.
        warmup: Share of the training spent on the linear warm-up, see :func:`warmup_poly`.
    """

    def __init__(self, optimizer: Optimizer, num_epochs: int, warmup: float) -> None:
        self.optimizer = optimizer
        self.num_epochs = num_epochs
        self.warmup = warmup
        self.step(0)

    def step(self, epoch: float) -> None:
        """Set the rates.

        Args:
            epoch: Epoch, with the finished share of it as a fraction.
        """
        factor = warmup_poly(epoch / self.num_epochs, self.warmup)
        for group in self.optimizer.param_groups:
            frozen = epoch < group.get("frozen_until", 0)
            group["lr"] = 0.0 if frozen else group["peak_lr"] * factor

    def get_last_lr(self) -> list[float]:
        """The current rate of each parameter group."""
        return [group["lr"] for group in self.optimizer.param_groups]
