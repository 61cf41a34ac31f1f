"""What all trainers of stage two share: parameter groups and their schedule, finding weights, names."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from nnunet_uad.data.cohort import unlabelled_cases
from nnunet_uad.methods import ATTRIBUTES, PACKAGE, TRAINERS
from nnunet_uad.trainers.fine_tune_settings import FineTuneSettings
from nnunet_uad.training.cases import TrainedCases
from nnunet_uad.training.schedule import Course
from nnunet_uad.training.trainer import UADTrainer
from nnunet_uad.weights.leakage import Overlap, compared_by_name, leakage_warnings, unknown_cases
from nnunet_uad.weights.locate import WEIGHTS_VARIABLE, WeightQuery, locate_pretrained
from nnunet_uad.weights.readers import read_weights
from nnunet_uad.weights.record import PretrainRecord
from nnunet_uad.weights.source import SourceWeights
from nnunet_uad.weights.transfer import HEAD_MARK


class FineTuneTrainer(UADTrainer):
    """nnU-Net's supervised training at the schedule of :class:`FineTuneSettings`."""

    settings_class: type[FineTuneSettings] = FineTuneSettings
    settings: FineTuneSettings

    @property
    def segmenter(self) -> nn.Module:
        """The network that learns to segment: all of it unless a trainer adds frozen parts."""
        return self.bare_network

    def find_weights(self, pretrainer: str, variable: str = WEIGHTS_VARIABLE) -> tuple[SourceWeights, str]:
        """Find and read the weights that a pretrainer left for this training.

        Args:
            pretrainer: Name of the pretrainer.
            variable: Environment variable that names a file to use instead.

        Returns:
            The weights, and in words why they were taken.

        Raises:
            FileNotFoundError: There are none; names every path tried and the command that makes them.
            ValueError: Several suit, or the file cannot be read.
        """
        query = WeightQuery(
            Path(os.environ["nnUNet_results"]),
            self.plans_manager.dataset_name,
            self.plans_manager.plans_name,
            self.configuration_name,
            str(self.fold),
            pretrainer,
            variable,
        )
        path, why = locate_pretrained(query)
        return read_weights(path), why

    def check_pretrained_weights_flag(self, named: str) -> None:
        """A trainer that finds its own weights refuses nnU-Net's flag, whose file would be loaded and overwritten.

        Args:
            named: File that the flag names.

        Raises:
            ValueError: This trainer starts from a pretrainer's weights; names the variable to use instead.
        """
        if getattr(self, "pretrainer", None):
            raise ValueError(
                f"{type(self).__name__} starts from the weights of {self.pretrainer}, which would replace those of "
                f"-pretrained_weights {named}. To start from that file: {WEIGHTS_VARIABLE}={shlex.quote(named)} "
                "nnUNetv2_train … without -pretrained_weights."
            )
        if getattr(self, "restorer_pretrainer", None):
            raise ValueError(
                f"{type(self).__name__} holds a frozen network beside the one that segments, so nnU-Net's "
                f"-pretrained_weights {named} fits neither. For pretrained weights and a restorer use a trainer "
                "…Pretrained…Residual."
            )
        super().check_pretrained_weights_flag(named)

    def warnings_about(self, record: PretrainRecord, what: str) -> list[str]:
        """What makes scores of this training too good, or its start too bad.

        Args:
            record: Record of the weights that are used.
            what: Name of their part in this training, ``pretraining`` or ``restorer``.
        """
        val = self.cases.val if self.cases else self.do_split()[1]
        warnings = leakage_warnings(record, self.plans_manager.dataset_name, val)
        if not all(seen.contents for seen in record.lineage):
            warnings.append(compared_by_name(f"the {what}"))
        if record.epochs_trained < record.num_epochs:
            warnings.append(
                f"the {what} is unfinished: {record.epochs_trained} of {record.num_epochs} epochs (--c finishes it)"
            )
        return warnings

    def warnings_about_strangers(self, source: SourceWeights) -> list[str]:
        """What is to be said of weights without a record: which cases have they seen?

        Args:
            source: Weights that others wrote, or checkpoints without the record beside them.
        """
        try:
            seen = TrainedCases.read(source.path.parent)
        except ValueError as error:
            return [f"LEAKAGE? {error}"]
        own, kind = self.plans_manager.dataset_name, "validation case(s)"
        val = self.cases.val if self.cases else dict.fromkeys(self.do_split()[1], ())
        consequence = "the validation scores are too good"
        if seen is not None:
            overlap = Overlap.between(seen.train, val, same_dataset=seen.dataset == own)
            words = overlap.in_words(f"{source.path} (fold {seen.fold} of {seen.dataset})", consequence, kind)
            return [words] if words else []
        trained = f"{source.path} (fold {source.fold} of {source.dataset})" if source.dataset else str(source.path)
        if source.fold == "all" and source.dataset == own:
            return [Overlap(tuple(sorted(val))).finding(trained, "A fold all is trained on every case.", kind)]
        return [unknown_cases(trained, consequence)]

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Encoder, decoder and heads, each with its peak rate; what is frozen for good has no group.

        What waits for a while has the rate 0 instead of switching gradients off: DDP and compile fix the set of trained
        parameters at the start.
        """
        parts: dict[str, list] = {"encoder": [], "decoder": [], "head": []}
        for name, parameter in self.segmenter.named_parameters():
            part = "head" if HEAD_MARK in f".{name}" else "encoder" if name.startswith("encoder.") else "decoder"
            parts[part].append(parameter)
        if self.settings.frozen_until(self.num_epochs) == math.inf:
            for parameter in parts.pop("encoder"):
                parameter.requires_grad_(False)
        factor = {"encoder": self.settings.encoder_lr, "decoder": 1.0, "head": self.settings.head_lr}
        # The decoder leads: nnU-Net logs the rate of the first group.
        return [
            {
                "params": parts[part],
                "peak_lr": self.initial_lr * factor[part],
                "frozen_until": self.settings.frozen_until(self.num_epochs) if part == "encoder" else 0,
                "name": part,
            }
            for part in ("decoder", "encoder", "head")
            if part in parts
        ]

    def course(self, part: str) -> Course:
        """The course that the schedule gives to a part of the network.

        Args:
            part: Name of the part, ``encoder``, ``decoder`` or ``head``.
        """
        return self.settings.course(part)

    def do_split(self) -> tuple[list[str], list[str]]:
        """As nnU-Net, without cases that nobody labelled: their empty segmentation says nothing.

        Raises:
            ValueError: No labelled case is left to train on.
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

    def on_train_epoch_start(self) -> None:
        """As nnU-Net; an encoder that stands still also keeps its normalisation statistics."""
        super().on_train_epoch_start()
        if self.current_epoch < self.settings.still_until(self.num_epochs):
            self.segmenter.encoder.eval()

    def on_validation_epoch_end(self, val_outputs: list[dict]) -> None:
        """As nnU-Net, but an epoch without any foreground scores 0 instead of NaN.

        One NaN would turn the moving average, and with it the choice of the best checkpoint, into NaN for good.
        """
        if not np.sum([out[k] for out in val_outputs for k in ("tp_hard", "fp_hard", "fn_hard")]):
            val_outputs[0]["fp_hard"] = np.ones_like(val_outputs[0]["fp_hard"])
        super().on_validation_epoch_end(val_outputs)


#: What a trainer does with what it needs.
_PARTS = {"weights": "that starts from the weights of", "restorer": "with a frozen network inside, of"}


def trainers_from_rows(module: str, base: type[FineTuneTrainer]) -> dict[str, type[FineTuneTrainer]]:
    """The trainers that differ from ``base`` only in the pretrainers they name, one per row of the registry.

    Args:
        module: Full name of the module whose names the classes become, so that they can be pickled.
        base: Class that takes ``pretrainer`` and ``restorer_pretrainer``.

    Returns:
        Name → class, of all rows of :data:`~nnunet_uad.methods.TRAINERS` for that module.
    """
    trainers = {}
    for name, use in TRAINERS.items():
        if module == f"{PACKAGE}.{use.module}":
            named: Mapping[str, Any] = {ATTRIBUTES[kind]: pretrainer for kind, pretrainer in use.needs.items()}
            parts = [f"{sentence} {use.needs[kind]}" for kind, sentence in _PARTS.items() if kind in use.needs]
            text = f"Trainer {' and '.join(parts)}; see :class:`{base.__name__}`."
            trainers[name] = type(name, (base,), {**named, "__module__": module, "__doc__": text})
    return trainers
