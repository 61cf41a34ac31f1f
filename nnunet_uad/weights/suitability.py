"""What a network that receives weights is, and whether given weights suit it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager

from nnunet_uad.common.nnunet import channel_names
from nnunet_uad.methods import FINE_TUNED, PRETRAINER_PREFIX
from nnunet_uad.weights.printable import by
from nnunet_uad.weights.record import PretrainRecord
from nnunet_uad.weights.source import FOR_OTHERS, SourceWeights
from nnunet_uad.weights.transfer import places

# Spacings further apart than this factor on any axis change what a filter sees.
SPACING_TOLERANCE = 1.25


@dataclass(frozen=True)
class TransferTarget:
    """The receiving side of a transfer.

    Attributes:
        dataset: Full name of the dataset, ``Dataset901_Tumour``.
        configuration: Name of the configuration.
        channel_names: Names of the input channels, in their order.
        normalization: Names of nnU-Net's normalisation schemes, one per channel.
        spacing: Voxel size per axis of the patch, mm.
        architecture: Class name of the network in the plans.
    """

    dataset: str
    configuration: str
    channel_names: tuple[str, ...]
    normalization: tuple[str, ...]
    spacing: tuple[float, ...]
    architecture: str

    @classmethod
    def from_plans(cls, plans_manager: PlansManager, configuration: str, dataset_json: dict) -> TransferTarget:
        """Describe the network that nnU-Net builds from these plans."""
        manager: ConfigurationManager = plans_manager.get_configuration(configuration)
        return cls(
            dataset=plans_manager.dataset_name,
            configuration=configuration,
            channel_names=channel_names(dataset_json),
            normalization=tuple(manager.normalization_schemes),
            spacing=tuple(float(s) for s in manager.spacing),
            architecture=manager.network_arch_class_name,
        )


def check_suits(
    source: SourceWeights,
    target: TransferTarget,
    method: str | None = None,
    accept_mismatch: bool = False,
    instead: str = (
        "Pretrain with the plans that you fine-tune with (same -d, -c and -p), name another file in "
        "nnUNet_uad_pretrained, or make a configuration that fits these weights: nnunet_uad small-plan --like FILE."
    ),
) -> list[str]:
    """Refuse weights of another kind of model.

    Args:
        source: Weights that are to be transferred.
        target: Network that is to receive them.
        method: Method that the trainer is named after, if any.
        accept_mismatch: Whether what is a matter of judgement (method, channel names, normalisation, spacing) is a
            warning rather than an error; dimension and architecture stay errors.
        instead: Sentence that says what fixes it.

    Returns:
        Warnings.

    Raises:
        ValueError: The weights do not suit; every mismatch is listed, what was expected and what fixes it.
    """
    fatal = _structural_mismatches(source, target)
    debatable = _debatable_mismatches(source, target, method)
    judged = accept_mismatch or source.kind in FOR_OTHERS
    errors = fatal if judged else [*fatal, *debatable]
    if errors:
        override = (
            ""
            if fatal
            else ' If you know that they suit each other: nnUNet_uad_settings="accept_mismatch=true" nnUNetv2_train …, '
            "nnunet_uad transfer … --accept-mismatch"
        )
        raise ValueError(
            f"The weights in {source.path} do not suit {target.dataset}, configuration "
            f"{target.configuration}:\n  - " + "\n  - ".join(errors) + f"\n{instead}{override}"
        )
    return [*debatable, *_not_compared(source), *source.remarks]


def check_restorer_suits(source: SourceWeights, target: TransferTarget, method: str) -> PretrainRecord:
    """Refuse a restorer that was trained on images of another kind; here nothing is a matter of judgement.

    A frozen network cannot adapt: other channels, normalisation, spacing or dimension make its residual noise.

    Args:
        source: Weights of the restorer.
        target: Network that it becomes part of.
        method: Method that is expected.

    Returns:
        The restorer's record.

    Raises:
        ValueError: The restorer does not suit, with every mismatch listed; or the file is none of a pretrainer, or of
            one that cannot reconstruct.
    """
    record = source.record
    if record is None or not record.restorer:
        raise ValueError(
            f"{source.path} holds {_why_no_restorer(record, method)} Expected the pretrained.safetensors of a "
            f"pretrainer that reconstructs: nnUNetv2_train {target.dataset} {target.configuration} FOLD -tr "
            f"{PRETRAINER_PREFIX}{method}"
        )
    mismatches = []
    if record.method != method:
        mismatches.append(f"method: expected {method}, found {record.method}")
    if record.dimension != len(target.spacing):
        mismatches.append(f"dimension: expected {len(target.spacing)}D, found {record.dimension}D")
    if tuple(map(_fold, record.channel_names)) != tuple(map(_fold, target.channel_names)):
        mismatches.append(
            f"channels: expected {', '.join(target.channel_names)} in this order, found "
            f"{', '.join(record.channel_names)}"
        )
    elif record.normalization != target.normalization:
        mismatches.append(
            f"normalisation: expected {', '.join(target.normalization)}, found {', '.join(record.normalization)}"
        )
    if _spacings_differ(record.spacing, target.spacing):
        mismatches.append(f"spacing: expected about {by(target.spacing)} mm, found {by(record.spacing)} mm")
    if mismatches:
        raise ValueError(
            f"The restorer in {source.path} does not suit {target.dataset}, configuration {target.configuration}:\n  - "
            + "\n  - ".join(mismatches)
            + "\nPretrain it with the plans that you train with (same -d, -c and -p), or name another file in "
            "nnUNet_uad_restorer."
        )
    return record


def _structural_mismatches(source: SourceWeights, target: TransferTarget) -> list[str]:
    mismatches = []
    if source.dimension is not None and source.dimension != len(target.spacing):
        mismatches.append(f"dimension: expected {len(target.spacing)}D weights, found {source.dimension}D")
    # nnU-Net's trainers may build another network than their plans say.
    found = source.architecture if source.kind != "nnunet" else None
    if found is not None and found.name != target.architecture:
        mismatches.append(f"architecture: expected {target.architecture.rsplit('.', 1)[-1]}, found {found.short}")
    return mismatches


def _debatable_mismatches(source: SourceWeights, target: TransferTarget, method: str | None) -> list[str]:
    mismatches = []
    if source.channel_names and not _names(source.channel_names) & _names(target.channel_names):
        mismatches.append(
            f"channels: expected some of {', '.join(target.channel_names)}, found {', '.join(source.channel_names)}"
        )
    record = source.record
    if record is not None and method is not None and record.method != method:
        own = f" (use -tr nnUNetTrainer{record.method}Pretrained)" if record.method in FINE_TUNED else ""
        mismatches.append(f"method: expected {method}, found {record.method}{own}")
    mismatches += _other_normalization(source, target)
    if _spacings_differ(source.spacing, target.spacing):
        mismatches.append(f"spacing: expected about {by(target.spacing)} mm, found {by(source.spacing)} mm")
    return mismatches


def _other_normalization(source: SourceWeights, target: TransferTarget) -> list[str]:
    """Channels that were normalised otherwise; of a source whose channels have no names, schemes that it never saw."""
    if len(source.channel_names) != len(source.normalization):
        unseen = [
            s for s in dict.fromkeys(target.normalization) if source.normalization and s not in source.normalization
        ]
        found = ", ".join(dict.fromkeys(source.normalization))
        return [f"normalisation: expected {', '.join(unseen)}, found {found}"] if unseen else []
    mismatches = []
    for name, scheme, place in zip(
        target.channel_names, target.normalization, places(target.channel_names, source.channel_names), strict=True
    ):
        if place is not None and source.normalization[place] != scheme:
            mismatches.append(f"normalisation of {name}: expected {scheme}, found {source.normalization[place]}")
    return mismatches


def _not_compared(source: SourceWeights) -> list[str]:
    """What the file does not say, so that nobody can tell whether it suits."""
    unknown = {"spacing": source.spacing, "normalisation": source.normalization}
    missing = [name for name, known in unknown.items() if not known]
    return [f"{source.path} does not say its {' and '.join(missing)}, which could not be compared"] if missing else []


def _spacings_differ(source: Sequence[float], target: Sequence[float]) -> bool:
    """Whether spacings of the same dimension are too far apart on any axis."""
    return len(source) == len(target) and any(
        abs(math.log(a / b)) > math.log(SPACING_TOLERANCE) for a, b in zip(source, target, strict=True)
    )


def _fold(name: str) -> str:
    return name.strip().casefold()


def _names(names: Sequence[str]) -> set[str]:
    return {_fold(n) for n in names}


def _why_no_restorer(record: PretrainRecord | None, method: str) -> str:
    if record is None:
        return "a file without a pretraining record, which cannot be rebuilt as a restorer."
    weights = f"weights of {record.trainer} without the description of a restorer"
    if record.method != method:
        return f"{weights}: its method reconstructs no images."
    # Earlier versions described the restorers of fewer methods.
    return (
        f"{weights}, as earlier versions wrote them. To write them again, without training: nnUNetv2_train "
        f"{record.dataset} {record.configuration} {record.fold} -tr {record.trainer} -p {record.plans} --c."
    )
