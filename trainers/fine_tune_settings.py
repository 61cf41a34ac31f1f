"""Settings of supervised training: which part of the network learns at which rate, and when."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from nnunet_uad.common.bounds import Epochs, Factor, Rate, ShareBelowOne
from nnunet_uad.common.settings import check_choices, typed
from nnunet_uad.training.schedule import Course
from nnunet_uad.training.trainer import TrainSettings

#: Schedule → settings that have a part in it.
SCHEDULES = {
    "freeze": ("warmup", "freeze_encoder_epochs"),
    "warmup": ("warmup",),
    "sawtooth": ("warmup", "decoder_warmup"),
    "poly": (),
}
_SHARES = ("warmup", "decoder_warmup", "freeze_encoder_epochs")


@dataclass(frozen=True)
class FineTuneSettings(TrainSettings):
    """Settings of supervised training.

    Attributes:
        encoder_lr: Peak rate of the encoder as a multiple of ``learning_rate``.
        head_lr: Peak rate of the segmentation heads as a multiple of ``learning_rate``.
        schedule: Course of the rates to their peak, from which all fall as nnU-Net's do. ``warmup``: all rise together
            for the share ``warmup``; ``freeze``: so, too, but the encoder stays as it is for ``freeze_encoder_epochs``;
            ``sawtooth``: in the first part of ``warmup`` decoder and heads rise and fall alone, then all rise;
            ``poly``: all start at their peak, as nnU-Net's.
        decoder_warmup: Share of ``warmup`` in which decoder and heads learn alone, of ``schedule=sawtooth``; half of
            it their rates rise, half of it they fall.
        freeze_encoder_epochs: Number of epochs for which the encoder stays as it is, of ``schedule=freeze``; below 1 a
            share of the training; −1: for good.
    """

    #: Trainings of before there were schedules.
    before: ClassVar[dict[str, Any]] = {"schedule": "freeze"}

    learning_rate: Rate = 3e-3

    encoder_lr: Factor = 1.0
    head_lr: Factor = 1.0
    schedule: str = "freeze"
    decoder_warmup: ShareBelowOne = 0.5
    freeze_encoder_epochs: Epochs = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choices(self, {"schedule": tuple(SCHEDULES)})
        freeze = self.freeze_encoder_epochs
        if -1 < freeze < 0:
            raise ValueError(f"freeze_encoder_epochs expects >= 0, or -1 for good, found {freeze}.")
        self.check_given([f.name for f in fields(self) if getattr(self, f.name) != f.default])

    def check_given(self, keys: Collection[str]) -> None:
        """Refuse shares of another schedule; one of 0 contradicts none.

        Args:
            keys: Names of the settings that somebody gave.

        Raises:
            ValueError: A share has no part in the schedule; names those in which it has.
        """
        super().check_given(keys)
        for key in _SHARES:
            if key in keys and key not in SCHEDULES[self.schedule] and getattr(self, key):
                others = " or ".join(f"schedule={name}" for name, shares in SCHEDULES.items() if key in shares)
                raise ValueError(
                    f"{key} has no part in schedule={self.schedule}, found {key}={typed(getattr(self, key))} beside "
                    f"it: leave one of them out, or say {others}."
                )

    def course(self, part: str) -> Course:
        """The course of a part's rate.

        Args:
            part: Name of the part, ``encoder``, ``decoder`` or ``head``.
        """
        if self.schedule == "sawtooth":
            return Course.sawtooth(self.warmup, self.decoder_warmup, waits=part == "encoder")
        return Course.warmup(0.0 if self.schedule == "poly" else self.warmup)

    def frozen_until(self, num_epochs: int) -> float:
        """The epoch up to which ``schedule=freeze`` keeps the encoder's rate at 0.

        Args:
            num_epochs: Number of epochs of the training.
        """
        freeze = self.freeze_encoder_epochs
        if self.schedule != "freeze":
            return 0
        if freeze == -1:
            return float("inf")
        # Whole epochs: within an epoch the normalisation layers are either in training mode or not.
        return round(freeze * num_epochs) if freeze < 1 else freeze

    def still_until(self, num_epochs: int) -> float:
        """The epoch up to which the encoder's normalisation keeps its statistics: of epochs without any learning.

        Args:
            num_epochs: Number of epochs of the training.
        """
        # 0.05 · 20 epochs are one epoch, however the product is rounded.
        waits = math.floor(self.course("encoder").still * num_epochs + 1e-6)
        return max(waits, self.frozen_until(num_epochs))
