"""Checkpoints of nnssl, the framework of the OpenMind weights, and of those who write them alike.

``nnssl_adaptation_plan`` says which network the weights are for, where encoder and stem lie in them and what the
pretraining saw: ``AdaptationPlan.serialize`` in src/nnssl/adaptation_planning/adaptation_plan.py, written by
``save_checkpoint`` in src/nnssl/training/nnsslTrainer/AbstractTrainer.py (lines 835-857), commit 7044864 of
github.com/MIC-DKFZ/nnssl. Wald et al., An OpenMind for 3D medical vision self-supervised learning, arXiv:2412.17041.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from nnunet_uad.common.schema import build
from nnunet_uad.weights.architecture import Architecture
from nnunet_uad.weights.checkpoint import Checkpoint
from nnunet_uad.weights.seen import seen_by, whole_patch
from nnunet_uad.weights.source import SourceWeights

#: Section of the checkpoint that the plan lies in.
SECTION = "nnssl_adaptation_plan"
_UNCITED = "the publications of the pretraining (the file names none), and nnssl: Wald et al., arXiv:2412.17041"


@dataclass(frozen=True)
class _Network:
    """Network that the weights are for."""

    arch_class_name: str = ""
    arch_kwargs: dict[str, Any] | None = None
    arch_kwargs_requiring_import: tuple[str, ...] | None = None


@dataclass(frozen=True)
class _AdaptationPlan:
    """Where nnssl's networks keep encoder and stem, and what they were pretrained with."""

    key_to_encoder: str | None = None
    key_to_stem: str | None = None
    pretrain_plan: dict[str, Any] = field(default_factory=dict)
    architecture_plans: _Network = field(default_factory=_Network)
    recommended_downstream_patchsize: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        whole_patch(self.recommended_downstream_patchsize)


def read_nnssl(checkpoint: Checkpoint, weights: Mapping[str, torch.Tensor]) -> SourceWeights:
    """Weights and what the adaptation plan says of them.

    Args:
        checkpoint: Checkpoint that holds an adaptation plan.
        weights: Tensors of any shape by name, without the prefixes of wrappers.

    Raises:
        ValueError: The plan is of another form; names the file.
    """
    path = checkpoint.path
    content = {str(key): value for key, value in checkpoint.content[SECTION].items()}
    plan = build(_AdaptationPlan, content, f"{path}: {SECTION}", ignore_unknown=True)
    configurations = plan.pretrain_plan.get("configurations")
    # nnssl keeps the one configuration that it trained with.
    name = next(iter(configurations)) if isinstance(configurations, dict) and len(configurations) == 1 else ""
    seen = seen_by(path, plan.pretrain_plan, name)
    network = plan.architecture_plans
    architecture = (
        Architecture.of(network.arch_class_name, network.arch_kwargs, network.arch_kwargs_requiring_import or ())
        if network.arch_class_name
        else None
    )
    return SourceWeights(
        path,
        "nnssl",
        _renamed(weights, plan),
        configuration=name,
        normalization=seen.normalization,
        spacing=seen.spacing,
        trainer=checkpoint.trainer,
        dataset=str(plan.pretrain_plan.get("dataset_name", "")),
        fold=checkpoint.fold,
        plans=str(plan.pretrain_plan.get("plans_name", "")),
        epoch=checkpoint.content.get("current_epoch"),
        use_mask_for_norm=seen.use_mask_for_norm,
        patch_size=whole_patch(plan.recommended_downstream_patchsize) or seen.patch_size,
        architecture=architecture,
        citation=cited(checkpoint.content.get("citations")) or _UNCITED,
    )


def cited(citations: Any) -> str:
    """Publications that a checkpoint names, one after the other.

    ``print_citations`` of nnU-Net's master (training/nnUNetTrainer/pretraining/pretrainedTrainer.py, lines 48-68,
    commit 0e49508) reads them so; whatever else stands there is passed over, as it does.

    Args:
        citations: Mappings with ``type``, ``name`` and lists of references.
    """
    texts: dict[str, None] = {}
    for citation in citations if isinstance(citations, (list, tuple)) else ():
        if not isinstance(citation, Mapping):
            continue
        papers = citation.get("apa_citations") or citation.get("bibtex_citations")
        texts.update((p, None) for p in (papers if isinstance(papers, (list, tuple)) else ()) if isinstance(p, str))
    return " ".join(" ".join(texts).split())


def _renamed(weights: Mapping[str, torch.Tensor], plan: _AdaptationPlan) -> dict[str, torch.Tensor]:
    """Nnssl says where encoder and stem lie in its weights; give them the names of nnU-Net's networks."""
    targets = {plan.key_to_encoder: "encoder.stages", plan.key_to_stem: "encoder.stem"}
    renamed = dict(weights)
    for prefix, target in targets.items():
        # PlainConvUNet's stem is its first stage: its key lies inside the encoder's and needs no name of its own.
        if not prefix or prefix == target or prefix.startswith("encoder.stages"):
            continue
        for name in weights:
            if name.startswith(f"{prefix}."):
                renamed[target + name[len(prefix) :]] = renamed.pop(name)
    return renamed
