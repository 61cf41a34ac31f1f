"""Weights that a pretraining goes on from: read, judged, and put into every network that it trains."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import nn

from nnunet_uad.methods import PRETRAINER_PREFIX
from nnunet_uad.weights.names import FILE_NAME
from nnunet_uad.weights.readers import read_weights
from nnunet_uad.weights.safe_file import canonical_tensors, read_record
from nnunet_uad.weights.source import SourceWeights
from nnunet_uad.weights.suitability import TransferTarget, check_suits
from nnunet_uad.weights.transfer import TensorOutcome, TransferReport, transfer

#: All that a transfer may write; without the heads for weights whose outputs mean something else.
_PARTS = ("encoder", "decoder", "other")
_ALL_PARTS = (*_PARTS, "head")
_INSTEAD = (
    "Preprocess the scans with the plans of the weights (nnunet_uad preprocess -d DATASET --like THEIR_DATASET -c "
    "CONFIGURATION), or name another file: init=FILE."
)


def read_base(path: Path) -> SourceWeights:
    """Read weights to go on from; of a pretrainer's checkpoint with the record that lies beside it.

    Args:
        path: File that the setting ``init`` names.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file, or the record beside it, is damaged or would run code; names it.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"init={path} names no file. Expected the {FILE_NAME} of a pretrainer, or a checkpoint beside it; a "
            "training that has begun goes on with --c and needs it no more."
        )
    source, beside = read_weights(path), path.parent / FILE_NAME
    if source.kind != "nnunet" or not source.trainer.startswith(PRETRAINER_PREFIX) or not beside.is_file():
        return source
    record = read_record(beside)
    if (record.trainer, record.dataset, record.fold) != (source.trainer, source.dataset, source.fold):
        raise ValueError(
            f"{beside} is the record of {record.trainer} (fold {record.fold} of {record.dataset}), but {path.name} "
            f"there is of {source.trainer} (fold {source.fold} of {source.dataset}): one of them was copied. "
            f"Name the {FILE_NAME} that belongs to the weights."
        )
    return dataclasses.replace(source, record=record)


def check_base(source: SourceWeights, target: TransferTarget, method: str, accept_mismatch: bool) -> list[str]:
    """Refuse weights that a pretraining should not go on from.

    Args:
        source: Weights to go on from.
        target: Network that is trained.
        method: Name of the pretraining's method.
        accept_mismatch: Whether what is a matter of judgement is a warning rather than an error.

    Returns:
        Warnings.

    Raises:
        ValueError: The weights do not suit, as in stage two; or they are of another method, unfinished or without
            record. Says what was expected and what fixes it.
    """
    warnings = check_suits(source, target, None, accept_mismatch, _INSTEAD)
    doubts = _doubts(source, method)
    if doubts and not accept_mismatch:
        raise ValueError(
            f"{PRETRAINER_PREFIX}{method} should not go on from {source.path}:\n  - "
            + "\n  - ".join(doubts)
            + '\nIf whatever fits is to be taken: nnUNet_uad_settings="init=FILE accept_mismatch=true" nnUNetv2_train …'
        )
    return [*doubts, *warnings]


def _doubts(source: SourceWeights, method: str) -> list[str]:
    record = source.record
    if record is None:
        return [
            f"record: expected that of a pretraining, found none in a file of kind {source.kind}; what it was trained "
            "for, and on which cases, is not known"
        ]
    doubts = []
    if record.method != method:
        doubts.append(f"method: expected {method}, found {record.method} (use -tr {PRETRAINER_PREFIX}{record.method})")
    if record.epochs_trained < record.num_epochs:
        doubts.append(
            f"length: expected a finished pretraining, found {record.epochs_trained} of {record.num_epochs} epochs "
            f"(nnUNetv2_train {record.dataset} {record.configuration} {record.fold} -tr {record.trainer} --c)"
        )
    return doubts


def begin_with(
    source: SourceWeights, networks: Mapping[str, nn.Module], channel_names: Sequence[str]
) -> TransferReport:
    """Put weights into the networks of a pretraining, heads and second networks too, as far as the file holds them.

    Args:
        source: Weights to go on from: tensors of all networks, each under its name, or of one network alone.
        networks: Networks that are trained, by the beginning of their tensors' names; the first counts: enough of it
            must fit.
        channel_names: Names of the image's channels, in their order.

    Returns:
        What happened to each tensor; those of the first network without its name.

    Raises:
        ValueError: Less than half of the first network's encoder would be transferred.
    """
    same = tuple(map(str.casefold, source.channel_names)) == tuple(map(str.casefold, channel_names))
    report = TransferReport(str(source.path), source.kind)
    if source.record is not None and not same:
        report.warnings.append(
            f"the channels are {', '.join(channel_names)}, those of the weights {', '.join(source.channel_names)}: the "
            "layer that gives them back begins anew where it is known, and else must learn its order again"
        )
    parts = _ALL_PARTS if source.record is not None and same else _PARTS
    for index, (name, network) in enumerate(networks.items()):
        own = _own(source, name, network) or (source if index == 0 else None)
        if own is None:
            report.warnings.append(f"the file holds no {name}, which begins at random{_elsewhere(source)}")
            continue
        found = transfer(own, network, channel_names, parts, is_decisive=index == 0)
        report.outcomes += found.outcomes if index == 0 else [_named(name, outcome) for outcome in found.outcomes]
    return report


def _own(source: SourceWeights, name: str, network: nn.Module) -> SourceWeights | None:
    """What a file holds for one of the networks; ``None`` if nothing."""
    start = f"{name}." if name else ""
    own = {key.removeprefix(start): tensor for key, tensor in source.tensors.items() if key.startswith(start)}
    if own:
        return dataclasses.replace(source, tensors=own)
    # The file of a training of several networks may hold the one that reconstructs alone, without a name before it.
    return source if canonical_tensors(network).keys() & source.tensors.keys() else None


def _elsewhere(source: SourceWeights) -> str:
    return (
        "" if source.kind == "nnunet" else " (checkpoint_final.pth beside it may hold it: init=…/checkpoint_final.pth)"
    )


def _named(name: str, outcome: TensorOutcome) -> TensorOutcome:
    return dataclasses.replace(outcome, name=f"{name}.{outcome.name}")
