"""Supervised fine-tuning from pretrained weights."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from nnunet_uad.common.bounds import Epochs
from nnunet_uad.common.files import write_json
from nnunet_uad.common.settings import Settings
from nnunet_uad.methods import method_of
from nnunet_uad.trainers.base import FineTuneTrainer, trainers_from_rows
from nnunet_uad.trainers.fine_tune_settings import FineTuneSettings
from nnunet_uad.training.cascade import refuse_second_stage
from nnunet_uad.weights.names import WEIGHTS_VARIABLE
from nnunet_uad.weights.safe_file import canonical_tensors
from nnunet_uad.weights.source import SourceWeights
from nnunet_uad.weights.suitability import TransferTarget, check_suits
from nnunet_uad.weights.transfer import TransferReport, first_convolution, transfer


@dataclass(frozen=True)
class TransferSection(Settings):
    """Settings of what starts from pretrained weights.

    Attributes:
        freeze_encoder_epochs: Number of epochs for which the encoder stays as it is, of ``schedule=freeze``; below 1 a
            share of the training; −1: for good.
        encoder_only: Whether the decoder is left random.
        accept_mismatch: Whether weights of another method, normalisation, spacing or channels are used after a
            warning.
    """

    freeze_encoder_epochs: Epochs = 0.3
    encoder_only: bool = False
    accept_mismatch: bool = False


@dataclass(frozen=True)
class PretrainedSettings(TransferSection, FineTuneSettings):
    """Settings of fine-tuning."""


class nnUNetTrainerPretrained(FineTuneTrainer):
    """Base of the ``…Pretrained`` trainers; subclasses name their pretrainer.

    The network is the stock network of the plans; only its first weights and the schedule differ, so a
    fine-tuned model stands alone.
    """

    pretrainer: str
    settings_class: type[FineTuneSettings] = PretrainedSettings

    @property
    def transfer_settings(self) -> TransferSection:
        """The section of the settings about the transfer; every settings class of these trainers has it."""
        return cast("TransferSection", self.settings)

    def before_training(self) -> None:
        """At epoch 0, find the weights, check that they suit, and transfer them; a continued run has its own."""
        if self.current_epoch == 0:
            self._refuse_second_stage()
        super().before_training()
        if self.current_epoch == 0:
            self._load_pretrained()

    def _refuse_second_stage(self) -> None:
        """No pretrainer trains the second stage of a cascade, so weights for it can only be named."""
        if not os.environ.get(WEIGHTS_VARIABLE, "").strip():
            refuse_second_stage(
                self.plans_manager.plans,
                self.configuration_name,
                self.fold,
                "there is no pretraining for it, because its network reads a segmentation besides the image",
                [self.pretrainer, type(self).__name__],
                f"Or start this stage from what the first of these commands leaves: export {WEIGHTS_VARIABLE}=FILE "
                "(the further channels begin at 0).",
            )

    def _load_pretrained(self) -> None:
        weights, why = self.find_weights(self.pretrainer)
        source = self.adapt_source(weights)
        target = TransferTarget.from_plans(self.plans_manager, self.configuration_name, self.dataset_json)
        warnings = check_suits(source, target, method_of(self.pretrainer), self.transfer_settings.accept_mismatch)
        if source.record is not None:
            warnings += self.warnings_about(source.record, "pretraining")
        else:
            warnings += self.warnings_about_strangers(weights)
        parts = ("encoder",) if self.transfer_settings.encoder_only else ("encoder", "decoder", "other")
        # Channels that a trainer adds to the image's start at 0, so the network starts as the pretrained one.
        stem = canonical_tensors(self.segmenter)
        further = stem[first_convolution(self.segmenter, stem)].shape[1] - len(target.channel_names)
        report = transfer(source, self.segmenter, target.channel_names, parts, further)
        report.warnings += warnings
        self._log_transfer(report, why)

    def adapt_source(self, source: SourceWeights) -> SourceWeights:
        """What is transferred of the weights that were found; all of it unless a trainer's network has more parts."""
        return source

    def _log_transfer(self, report: TransferReport, why: str) -> None:
        self.print_to_log_file(f"Pretrained weights: {report.source} ({why})")
        self.print_to_log_file(report.summary())
        if self.local_rank == 0:
            write_json(Path(self.output_folder) / "transfer.json", {**report.to_json(), "found": why})


globals().update(trainers_from_rows(__name__, nnUNetTrainerPretrained))
