"""Pretrained weights into a network: parameter by parameter, with a report."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import nn

from nnunet_uad.networks.reconstruction_branch import BRANCH
from nnunet_uad.weights.safe_file import canonical_tensors
from nnunet_uad.weights.source import SourceWeights

HEAD_MARK = ".seg_layers."
MINIMUM_ENCODER_SHARE = 0.5

Status = Literal["loaded", "adapted", "fresh head", "skipped", "random"]


@dataclass(frozen=True)
class TensorOutcome:
    """What happened to one tensor of the receiving network (or, for ``skipped``, of the source).

    Attributes:
        name: Canonical name of the tensor.
        shape: Shape in the receiving network, in the source for tensors that have no place there.
        status: ``loaded`` (copied), ``adapted`` (first convolution, other channels), ``fresh head``,
            ``skipped`` (in the source, does not fit), ``random`` (not in the source).
        reason: Reason in words, empty for ``loaded``.
    """

    name: str
    shape: tuple[int, ...]
    status: Status
    reason: str = ""

    @property
    def part(self) -> str:
        """``encoder``, ``decoder``, ``head`` or ``other``; a branch that reconstructs has no head to start anew."""
        first = self.name.partition(".")[0]
        if HEAD_MARK in f".{self.name}" and first != BRANCH:
            return "head"
        return first if first in ("encoder", "decoder") else "other"

    @property
    def size(self) -> int:
        """Number of scalars."""
        return int(torch.Size(self.shape).numel())


@dataclass
class TransferReport:
    """All outcomes of a transfer, with shares of parameters.

    Attributes:
        source: File that the weights came from.
        kind: Kind of the file (:class:`~nnunet_uad.weights.source.SourceWeights`).
        outcomes: Outcome of every tensor.
        warnings: Sentences for the log.
    """

    source: str
    kind: str
    outcomes: list[TensorOutcome] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def parts(self) -> set[str]:
        """Parts of the receiving network (:attr:`TensorOutcome.part`)."""
        return {o.part for o in self.outcomes if o.reason != NO_PLACE}

    def share(self, part: str | None = None) -> float:
        """Share of the receiving network's scalars that come from the source, 0 to 1.

        Args:
            part: Part of the network (:attr:`TensorOutcome.part`); everything but the heads if ``None``.
        """
        wanted = [o for o in self.outcomes if o.part == part or (part is None and o.part != "head")]
        wanted = [o for o in wanted if o.reason != NO_PLACE]
        total = sum(o.size for o in wanted)
        return sum(o.size for o in wanted if o.status in ("loaded", "adapted")) / total if total else 0.0

    def count(self, status: Status) -> int:
        """Number of tensors with this outcome."""
        return sum(o.status == status for o in self.outcomes)

    def summary(self) -> str:
        """One paragraph for the log."""
        shares = [f"{part} {self.share(part):.1%}, " for part in ("encoder", "decoder") if part in self.parts]
        lines = [
            f"Transferred from {self.source} ({self.kind}): {''.join(shares)}all but the heads {self.share():.1%} of "
            "the parameters.",
            f"Tensors: {self.count('loaded')} loaded, {self.count('adapted')} adapted, "
            f"{self.count('fresh head')} fresh heads, {self.count('random')} left random, "
            f"{self.count('skipped')} skipped.",
        ]
        lines += [
            f"  {o.status}: {o.name} {list(o.shape)}: {o.reason}"
            for o in self.outcomes
            if o.status not in ("loaded", "fresh head")
        ]
        return "\n".join([*lines, *(f"WARNING: {w}" for w in self.warnings)])

    def to_json(self) -> dict[str, Any]:
        """The report as ``transfer.json`` holds it."""
        return {
            "source": self.source,
            "kind": self.kind,
            "share": {
                "encoder": self.share("encoder"),
                "decoder": self.share("decoder"),
                "all_but_heads": self.share(),
            },
            "warnings": self.warnings,
            "tensors": [dataclasses.asdict(o) for o in self.outcomes],
        }


NO_PLACE = "no such tensor in the receiving network"


@torch.no_grad()
def transfer(
    source: SourceWeights,
    network: nn.Module,
    channel_names: Sequence[str],
    parts: Sequence[str] = ("encoder", "decoder", "other"),
    further_channels: int = 0,
    is_decisive: bool = True,
) -> TransferReport:
    """Copy what fits from ``source`` into ``network``, in place.

    Parameters that nnU-Net registers under several names are written once, under their first name, and so under
    all of them. Equal shapes are copied; the first convolution adapts to other channels
    (:func:`adapt_input_channels`); heads stay as they are unless they are asked for.

    Args:
        source: Weights that are transferred.
        network: Receiving network, without DDP or compile wrappers.
        channel_names: Names of its input channels, in their order.
        parts: Parts to write, of ``encoder``, ``decoder``, ``other``, ``head``; the rest is left random.
        further_channels: Number of input channels behind the named ones, whose weights become 0.
        is_decisive: Whether to refuse weights of which too little fits.

    Returns:
        What happened to each tensor.

    Raises:
        ValueError: Less than half of the encoder, or of a network without one, would be transferred, or whole numbers
            instead of weights; nothing is written then.

    Example:
        >>> from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
        >>> from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
        >>> from nnunet_uad.weights.readers import read_weights
        >>> model = "nnUNet_results/Dataset901_Tumour/nnUNetPretrainerDAE__nnUNetPlans__2d"
        >>> plans = PlansManager(f"{model}/plans.json")
        >>> network = nnUNetTrainer.build_network_architecture(plans, plans.get_configuration("2d"), 2, 3)
        >>> report = transfer(read_weights(f"{model}/fold_0/pretrained.safetensors"), network, ["FLAIR", "T1"])
        >>> report.share("encoder")
        1.0
    """
    tensors = canonical_tensors(network)
    stem = first_convolution(network, tensors)
    report = TransferReport(str(source.path), source.kind)
    writes: list[tuple[torch.Tensor, torch.Tensor]] = []
    for name, tensor in tensors.items():
        outcome, value = _plan_tensor(name, tensor, source, channel_names, name == stem, parts, further_channels)
        report.outcomes.append(outcome)
        if value is not None:
            writes.append((tensor, value))
    aliases = set(network.state_dict())
    for name, tensor in source.tensors.items():
        if name not in aliases:
            report.outcomes.append(TensorOutcome(name, tuple(tensor.shape), "skipped", NO_PLACE))
    if is_decisive and "encoder" in parts:
        _refuse_too_little(report)
    for tensor, value in writes:
        tensor.copy_(value)
    return report


def _refuse_too_little(report: TransferReport) -> None:
    part, words = ("encoder", "the encoder's") if "encoder" in report.parts else (None, "the network's")
    if report.share(part) < MINIMUM_ENCODER_SHARE:
        raise ValueError(
            f"Only {report.share(part):.1%} of {words} parameters would come from {report.source}; at least "
            f"{MINIMUM_ENCODER_SHARE:.0%} are expected, else it is not the same network. Pretrain with the plans and "
            f"configuration that you train with.\n{report.summary()}"
        )


def _plan_tensor(
    name: str,
    tensor: torch.Tensor,
    source: SourceWeights,
    channel_names: Sequence[str],
    is_stem: bool,
    parts: Sequence[str],
    further_channels: int,
) -> tuple[TensorOutcome, torch.Tensor | None]:
    """Decide on one tensor of the receiving network."""
    shape = tuple(tensor.shape)

    def outcome(status: Status, reason: str = "") -> TensorOutcome:
        """What happens to this tensor."""
        return TensorOutcome(name, shape, status, reason)

    if (part := outcome("random").part) == "head" and part not in parts:
        return outcome("fresh head", "segmentation heads are trained anew"), None
    if part not in parts:
        return outcome("random", f"the {part} was not asked for"), None
    given = source.tensors.get(name)
    if given is None:
        return outcome("random", "not in the source"), None
    if given.is_floating_point() != tensor.is_floating_point():
        raise ValueError(
            f"{source.path} holds {name} as {given.dtype}, where the network has {tensor.dtype}: it was altered, or "
            "rounded for another purpose. Nothing was transferred; use the file that the training wrote."
        )
    # A network that first folds space into channels has a stem whose inputs are not the image's channels.
    takes_channels = is_stem and tensor.shape[1] == len(channel_names) + further_channels
    if takes_channels and given.shape[0] == tensor.shape[0] and given.shape[2:] == tensor.shape[2:]:
        value, how = adapt_input_channels(given, source.channel_names, channel_names)
        if further_channels:
            value = torch.cat([value, value.new_zeros((len(value), further_channels, *value.shape[2:]))], dim=1)
            how = "; ".join(filter(None, [how, f"{further_channels} further channel(s) start at 0"]))
        return outcome("adapted" if how else "loaded", how), value
    if given.shape != tensor.shape:
        return outcome("skipped", f"shape {list(given.shape)} in the source"), None
    return outcome("loaded"), given


def adapt_input_channels(
    weight: torch.Tensor, source_names: Sequence[str], target_names: Sequence[str]
) -> tuple[torch.Tensor, str]:
    """Give a first convolution other input channels.

    A channel found by name (case does not matter) keeps its weights. Any other gets the mean over the source's
    channels times (number of source channels / number of target channels), so that the sum over channels, and
    with it the response to similar images, keeps its size.

    Args:
        weight: Weight (out, in, *kernel) of the convolution.
        source_names: Names of the ``in`` channels; empty if unknown.
        target_names: Names of the channels that are wanted.

    Returns:
        The weight (out, len(target_names), *kernel), and in words what was done, empty if nothing.

    Example:
        >>> weight, words = adapt_input_channels(torch.ones(8, 1, 3, 3), ["FLAIR"], ["FLAIR", "T1"])
        >>> tuple(weight.shape), words
        ((8, 2, 3, 3), 'FLAIR from channel 0; T1 averaged from 1 channel(s)')
    """
    count = weight.shape[1]
    known = len(source_names) == count
    if not known and count == len(target_names):
        return weight, ""
    found = places(target_names, source_names if known else ())
    if found == list(range(count)):
        return weight, ""
    mean = weight.mean(1) * (count / len(target_names))
    adapted = torch.stack([mean if i is None else weight[:, i] for i in found], dim=1)
    words = [
        f"{name} averaged from {count} channel(s)" if i is None else f"{name} from channel {i}"
        for name, i in zip(target_names, found, strict=True)
    ]
    return adapted, "; ".join(words)


def places(wanted: Sequence[str], names: Sequence[str]) -> list[int | None]:
    """Where channels stand among others, by name, upper or lower case; the second of a name is the second of it there.

    Args:
        wanted: Names of the channels that are looked for.
        names: Names of the channels that there are.

    Example:
        >>> places(["T1", "ct", "CT"], ["CT", "CT"])
        [None, 0, 1]
    """
    left: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        left.setdefault(name.strip().casefold(), []).append(index)
    return [free.pop(0) if (free := left.get(name.strip().casefold())) else None for name in wanted]


@torch.no_grad()
def zero_further_inputs(network: nn.Module, channels: int) -> None:
    """Set the first convolution's weights for further input channels to 0, in place.

    The network then starts as a function of the first channels alone and learns to use the others.

    Args:
        network: Network whose first convolution is changed.
        channels: Number of input channels, the first ones, that keep their weights.
    """
    tensors = canonical_tensors(network)
    tensors[first_convolution(network, tensors)][:, channels:].zero_()


@torch.no_grad()
def load_all(network: nn.Module, source: SourceWeights) -> None:
    """Copy every tensor into a network of the same architecture, in place.

    Args:
        network: Network to write into.
        source: Weights, one for each tensor of the network.

    Raises:
        ValueError: A tensor is missing or has another shape.
    """
    tensors = canonical_tensors(network)
    wrong = [n for n, t in tensors.items() if n not in source.tensors or source.tensors[n].shape != t.shape]
    if wrong:
        raise ValueError(
            f"{source.path} does not hold the network that its record describes: {len(wrong)} tensor(s) are missing or "
            f"of another shape ({', '.join(wrong[:5])}). The file was altered; pretrain again."
        )
    for name, tensor in tensors.items():
        tensor.copy_(source.tensors[name])


def first_convolution(network: nn.Module, tensors: Mapping[str, torch.Tensor]) -> str:
    """Canonical name of the first convolution's weight, empty if there is none.

    Args:
        network: Network; those of dynamic-network-architectures declare it.
        tensors: Tensors of the network, of any shape, by canonical name.
    """
    declared = getattr(network, "keys_to_in_proj", ())
    for key in declared:
        if f"{key}.weight" in tensors:
            return f"{key}.weight"
    return next((name for name, t in tensors.items() if t.ndim >= 4), "")
