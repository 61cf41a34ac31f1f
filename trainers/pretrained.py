"""Supervised fine-tuning from pretrained weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nnunet_uad.common.files import write_json
from nnunet_uad.trainers.base import FineTuneSettings, FineTuneTrainer
from nnunet_uad.weights.leakage import leakage_warning
from nnunet_uad.weights.locate import locate_pretrained
from nnunet_uad.weights.readers import SourceWeights, read_weights
from nnunet_uad.weights.safe_file import canonical_tensors
from nnunet_uad.weights.suitability import TransferTarget, check_suits
from nnunet_uad.weights.transfer import TransferReport, first_convolution, transfer


@dataclass(frozen=True)
class PretrainedSettings(FineTuneSettings):
    """Settings of fine-tuning.

    Attributes:
        encoder_only: leave the decoder random.
        accept_mismatch: use weights of another method, normalisation, spacing or channels after a warning.
    """

    freeze_encoder_epochs: float = 0.3
    encoder_only: bool = False
    accept_mismatch: bool = False


class nnUNetTrainerPretrained(FineTuneTrainer):
    """Base of the ``…Pretrained`` trainers; subclasses name their pretrainer.

    The network is the stock network of the plans; only its first weights and the schedule differ, so a
    fine-tuned model stands alone.
    """

    pretrainer: str
    settings_class = PretrainedSettings
    settings: PretrainedSettings

    def before_training(self) -> None:
        """At epoch 0, find the weights, check that they suit, and transfer them; a continued run has its own."""
        super().before_training()
        if self.current_epoch == 0:
            self._load_pretrained()

    def _load_pretrained(self) -> None:
        path, why = locate_pretrained(self.weight_query(self.pretrainer))
        source = self.adapt_source(read_weights(path))
        target = TransferTarget.from_plans(self.plans_manager, self.configuration_name, self.dataset_json)
        method = self.pretrainer.removeprefix("nnUNetPretrainer")
        warnings = check_suits(source, target, method, self.settings.accept_mismatch)
        if source.record is not None:
            leak = leakage_warning(source.record, target.dataset, self.do_split()[1])
            warnings += [leak] if leak else []
            if source.record.epochs_trained < source.record.num_epochs:
                warnings.append(
                    f"the pretraining is unfinished: {source.record.epochs_trained} of "
                    f"{source.record.num_epochs} epochs (--c finishes it)"
                )
        parts = ("encoder",) if self.settings.encoder_only else ("encoder", "decoder", "other")
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
