"""What all trainers of stage two share: the fine-tuning schedule, parameter groups, freezing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from nnunet_uad.common.settings import SETTINGS_VARIABLE
from nnunet_uad.data.cohort import unlabelled_cases
from nnunet_uad.training.trainer import TrainSettings, UADTrainer
from nnunet_uad.weights.locate import WEIGHTS_VARIABLE, WeightQuery
from nnunet_uad.weights.transfer import HEAD_MARK


@dataclass(frozen=True)
class FineTuneSettings(TrainSettings):
    """Settings of supervised training.

    Attributes:
        encoder_lr: peak rate of the encoder as a multiple of ``learning_rate``.
        head_lr: peak rate of the segmentation heads as a multiple of ``learning_rate``.
        freeze_encoder_epochs: the encoder stays as it is for so many epochs; below 1 a share of the training;
            −1: for good.
    """

    learning_rate: float = 3e-3

    encoder_lr: float = 1.0
    head_lr: float = 1.0
    freeze_encoder_epochs: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        freeze = self.freeze_encoder_epochs
        if min(self.encoder_lr, self.head_lr) < 0 or (freeze < 0 and freeze != -1):
            raise ValueError(
                f"{SETTINGS_VARIABLE}: encoder_lr and head_lr expect >= 0, freeze_encoder_epochs expects >= 0 or -1, "
                f"found {self.encoder_lr}, {self.head_lr}, {self.freeze_encoder_epochs}."
            )


class FineTuneTrainer(UADTrainer):
    """nnU-Net's supervised training at the schedule of :class:`FineTuneSettings`."""

    settings_class: type[FineTuneSettings] = FineTuneSettings
    settings: FineTuneSettings

    @property
    def segmenter(self) -> nn.Module:
        """The network that learns to segment: all of it unless a trainer adds frozen parts."""
        return self.bare_network

    def weight_query(self, pretrainer: str, variable: str = WEIGHTS_VARIABLE) -> WeightQuery:
        """What to look for when this training needs weights of ``pretrainer``; ``variable`` overrides it."""
        return WeightQuery(
            Path(os.environ["nnUNet_results"]),
            self.plans_manager.dataset_name,
            self.plans_manager.plans_name,
            self.configuration_name,
            str(self.fold),
            pretrainer,
            variable,
        )

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Encoder, decoder and heads, each with its peak rate; what is frozen for good has no group.

        A temporary freeze sets the rate to 0 instead of switching gradients off: DDP and compile fix the set of
        trained parameters at the start.
        """
        parts: dict[str, list] = {"encoder": [], "decoder": [], "head": []}
        for name, parameter in self.segmenter.named_parameters():
            part = "head" if HEAD_MARK in f".{name}" else "encoder" if name.startswith("encoder.") else "decoder"
            parts[part].append(parameter)
        if self.settings.freeze_encoder_epochs == -1:
            for parameter in parts.pop("encoder"):
                parameter.requires_grad_(False)
        factor = {"encoder": self.settings.encoder_lr, "decoder": 1.0, "head": self.settings.head_lr}
        # The decoder leads: nnU-Net logs the rate of the first group.
        return [
            {
                "params": parts[part],
                "peak_lr": self.initial_lr * factor[part],
                "frozen_until": self.frozen_until if part == "encoder" else 0,
                "name": part,
            }
            for part in ("decoder", "encoder", "head")
            if part in parts
        ]

    def do_split(self) -> tuple[list[str], list[str]]:
        """As nnU-Net, without cases that nobody labelled: their empty segmentation says nothing.

        Raises:
            ValueError: no labelled case is left to train on.
        """
        train, val = super().do_split()
        unlabelled = unlabelled_cases(self.preprocessed_dataset_folder_base)
        labelled = [case for case in train if case not in unlabelled]
        if not labelled:
            raise ValueError(
                f"None of the {len(train)} training cases of fold {self.fold} has labels, so there is nothing to "
                "learn from them but normal anatomy: pretrain on them (-tr nnUNetPretrainerDAE) and fine-tune on a "
                "labelled dataset."
            )
        return labelled, [case for case in val if case not in unlabelled]

    @property
    def frozen_until(self) -> float:
        """The epoch up to which the encoder stays as it is."""
        freeze = self.settings.freeze_encoder_epochs
        if freeze == -1:
            return float("inf")
        # Whole epochs: within an epoch the normalisation layers are either in training mode or not.
        return round(freeze * self.num_epochs) if freeze < 1 else freeze

    def on_train_epoch_start(self) -> None:
        """As nnU-Net; a frozen encoder also keeps its normalisation statistics."""
        super().on_train_epoch_start()
        if self.current_epoch < self.frozen_until:
            self.segmenter.encoder.eval()

    def on_validation_epoch_end(self, val_outputs: list[dict]) -> None:
        """As nnU-Net, but an epoch without any foreground scores 0 instead of NaN.

        One NaN would turn the moving average, and with it the choice of the best checkpoint, into NaN for good.
        """
        if not np.sum([out[k] for out in val_outputs for k in ("tp_hard", "fp_hard", "fn_hard")]):
            val_outputs[0]["fp_hard"] = np.ones_like(val_outputs[0]["fp_hard"])
        super().on_validation_epoch_end(val_outputs)
