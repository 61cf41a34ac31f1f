"""Pretraining that goes on from weights: those of one hospital, adapted to the scans of another."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

from torch import nn

from nnunet_uad.common.bounds import PositiveShare
from nnunet_uad.common.files import file_hash, write_json
from nnunet_uad.common.schema import build
from nnunet_uad.common.settings import SETTINGS_VARIABLE, Settings, refuse_without_effect
from nnunet_uad.pretrain.record import RecordSection
from nnunet_uad.training.trainer import UADTrainer
from nnunet_uad.weights.case_names import new_salt
from nnunet_uad.weights.checkpoint import Checkpoint
from nnunet_uad.weights.continuation import begin_with, check_base, read_base
from nnunet_uad.weights.leakage import compared_by_name, leakage_warnings, unknown_cases
from nnunet_uad.weights.record import BaseWeights
from nnunet_uad.weights.source import SourceWeights
from nnunet_uad.weights.suitability import TransferTarget


@dataclass(frozen=True)
class ContinuationSection(Settings):
    """Settings of a pretraining that goes on from weights.

    Attributes:
        init: File of weights to go on from, ``pretrained.safetensors`` of a pretrainer or a checkpoint beside it, which
            holds second networks, too; empty: random weights.
        init_lr: Peak rates as a share of those of a training from random weights, of ``init``.
        accept_mismatch: Whether weights of another method, normalisation, spacing or channels, of an unfinished
            pretraining or without a record are used after a warning, of ``init``.
    """

    before: ClassVar[dict[str, Any]] = {"init": ""}
    paths: ClassVar[tuple[str, ...]] = ("init",)

    init: str = ""
    init_lr: PositiveShare = 1.0
    accept_mismatch: bool = False

    def check_given(self, keys: Collection[str]) -> None:
        """Refuse what only weights to go on from give a meaning.

        Args:
            keys: Names of the settings that somebody gave.

        Raises:
            ValueError: Such a setting without weights.
        """
        super().check_given(keys)
        if not self.init:
            unused = {"init_lr", "accept_mismatch"} & {*keys}
            refuse_without_effect(unused, "without weights to go on from", "name them: init=FILE")


class ContinuedPretrainer(UADTrainer):
    """An nnU-Net trainer whose first weights may be those of an earlier training of its kind."""

    #: Name of the method, ``DAE``.
    method: str
    channel_names: tuple[str, ...]
    #: Weights that the training goes back to, the newest first; none if it began with random ones.
    bases: tuple[BaseWeights, ...] = ()

    @property
    def continuation(self) -> ContinuationSection:
        """The section of the settings about the first weights; every settings class of these trainers has it."""
        return cast("ContinuationSection", self.settings)

    @property
    def first_rate(self) -> float:
        """Peak rate as a share of that of a training from random weights."""
        return self.continuation.init_lr if self.continuation.init else 1.0

    @staticmethod
    def networks(network: nn.Module) -> dict[str, nn.Module]:
        """The networks that are trained, by the beginning of their tensors' names, the one that counts first.

        Args:
            network: Network without the wrappers of DDP and ``torch.compile``; it is the only one unless a method
                trains several.
        """
        return {"": network}

    def check_pretrained_weights_flag(self, named: str) -> None:
        """Refuse nnU-Net's flag, of which no record would tell; a file that runs code is refused as that.

        Args:
            named: File that the flag names.

        Raises:
            ValueError: Always; names the setting to use instead.
        """
        super().check_pretrained_weights_flag(named)
        raise ValueError(
            f"A pretraining that began with -pretrained_weights {named} would not know which cases those weights have "
            f'seen. To go on from them: {SETTINGS_VARIABLE}="init={named}" nnUNetv2_train … without '
            "-pretrained_weights."
        )

    def before_training(self) -> None:
        """At epoch 0, find the weights to go on from, if any, check that they suit, and load them.

        Raises:
            FileNotFoundError: There are none.
            ValueError: They do not suit, are damaged, or would be overwritten.
        """
        if self.current_epoch == 0 and self.continuation.init:
            self._go_on_from(Path(self.continuation.init).expanduser())
        super().before_training()

    def _go_on_from(self, path: Path) -> None:
        if path.resolve().parent == Path(self.output_folder).resolve():
            raise ValueError(
                f"init={path} lies where this training writes and would be overwritten. Give the new training another "
                f"name (-tr {type(self).__name__}_<N>epochs, or -p with copied plans), another fold or dataset."
            )
        source = read_base(path)
        target = TransferTarget.from_plans(self.plans_manager, self.configuration_name, self.dataset_json)
        warnings = check_base(source, target, self.method, self.continuation.accept_mismatch)
        # The checkpoint holds them, too, and is passed on.
        record = source.record
        if record is not None and not cast("RecordSection", self.settings).keep_names:
            record = record.with_hidden_names(new_salt())
        self.bases = BaseWeights.chain(path.name, file_hash(path), source.kind, record)
        report = begin_with(source, self.networks(self.bare_network), self.channel_names)
        report.warnings += [*warnings, *self._leaks(source)]
        self.print_to_log_file(f"Going on from {path}, at {self.continuation.init_lr:g} of the learning rate.")
        self.print_to_log_file(report.summary())
        if self.local_rank == 0:
            found = f"init, at {self.continuation.init_lr:g} of the learning rate"
            write_json(Path(self.output_folder) / "transfer.json", {**report.to_json(), "found": found})

    def _leaks(self, source: SourceWeights) -> list[str]:
        """Validation cases of this fold that the weights have seen: their maps and metrics do not count."""
        dataset, val = self.plans_manager.dataset_name, self.cases.val if self.cases else self.do_split()[1]
        if source.record is None:
            return [unknown_cases(source.path.name, "the maps of the validation are too good")]
        known = all(seen.contents for seen in source.record.lineage)
        warnings = leakage_warnings(source.record, dataset, val)
        return warnings if known else [*warnings, compared_by_name(source.path.name)]

    # --- what is stored -------------------------------------------------------------------------

    def take_over(self, stored: Checkpoint) -> None:
        """As every trainer, and what the first epochs went on from; the file need not be there any more."""
        super().take_over(stored)
        bases = build(tuple[BaseWeights, ...], stored.run.get("bases", []), f"{stored.path}: bases")
        self.bases = tuple(base.without_folders() for base in bases)

    def _run_information(self) -> dict[str, Any]:
        bases = [dataclasses.asdict(base) for base in self.bases]
        return {**super()._run_information(), **({"bases": bases} if bases else {})}
