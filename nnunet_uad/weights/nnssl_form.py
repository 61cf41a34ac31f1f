"""Our weights in the form of nnssl's checkpoints, which nnssl and nnU-Net's master branch read.

The form is that of :mod:`nnunet_uad.weights.nnssl_plan`; the three files of the folder are those that nnU-Net's master
downloads from the Hugging Face Hub (``maybe_download_pretrained_weights`` in experiment_planning/like_nnssl.py,
commit 0e49508).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nnunet_uad.common.files import atomic_path, write_json
from nnunet_uad.common.nnunet import CHECKPOINT, resolved_configuration
from nnunet_uad.networks.recipe import PlanRecipe
from nnunet_uad.weights.architecture import PLANNED
from nnunet_uad.weights.nnssl_plan import SECTION
from nnunet_uad.weights.record import PretrainRecord
from nnunet_uad.weights.source import SourceWeights
from nnunet_uad.weights.transfer import HEAD_MARK

#: What nnU-Net's master looks for beside the checkpoint, in a repository of the Hub.
PLAN_FILE, CONFIG_FILE = "adaptation_plan.json", "config.json"
# Fields of nnssl's DynamicArchitecturePlans (adaptation_plan.py, lines 62-76), which refuses any other.
_ARGUMENTS = (
    "n_stages",
    "features_per_stage",
    "conv_op",
    "kernel_sizes",
    "strides",
    "n_blocks_per_stage",
    "n_conv_per_stage_decoder",
    "conv_bias",
    "norm_op",
    "norm_op_kwargs",
    "dropout_op",
    "dropout_op_kwargs",
    "nonlin",
    "nonlin_kwargs",
)
# Fields of nnssl's Plan (experiment_planning/experiment_planners/plan.py), whose names nnU-Net's plans share.
_PLAN = (
    "dataset_name",
    "plans_name",
    "original_median_spacing_after_transp",
    "image_reader_writer",
    "transpose_forward",
    "transpose_backward",
    "experiment_planner_used",
)


def write_nnssl(source: SourceWeights, plans: Mapping[str, Any], folder: Path) -> tuple[str, ...]:
    """Write the checkpoint and what lies beside it in a repository of the Hub.

    Args:
        source: Weights of a pretrainer, with their record.
        plans: Content of the plans that were trained with.
        folder: Folder to write into; made if it does not exist.

    Returns:
        Who cannot read it, as sentences without a full stop; empty if all can.

    Raises:
        ValueError: The weights are of two dimensions, without a record, or do not fill the encoder of the plan's
            network; or the plans lack their configuration; or the folder holds files of these names.
    """
    present = [name for name in (CHECKPOINT, PLAN_FILE, CONFIG_FILE) if (folder / name).exists()]
    if present:
        raise ValueError(
            f"{folder} holds {', '.join(present)}, which would be replaced. Expected a folder without: choose another "
            "-o, or delete what a former export wrote."
        )
    content, unread = nnssl_checkpoint(source, plans)
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(folder / CHECKPOINT) as temporary:
        torch.save(content, temporary)
    write_json(folder / PLAN_FILE, {**content[SECTION], "trainer_name": content["trainer_name"]})
    write_json(folder / CONFIG_FILE, {"architectures": [content[SECTION]["architecture_plans"]["arch_class_name"]]})
    return unread


def nnssl_checkpoint(source: SourceWeights, plans: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The content of the checkpoint: plain values and tensors alone.

    Args:
        source: Weights of a pretrainer, with their record.
        plans: Content of the plans that were trained with.

    Returns:
        The content, and who cannot read it.

    Raises:
        ValueError: As :func:`write_nnssl`.
    """
    record = source.record
    if record is None:
        raise ValueError(f"{source.path} has no record: expected the pretrained.safetensors of a pretrainer.")
    if record.dimension != 3:
        raise ValueError(
            f"{source.path} holds {record.dimension}D weights; nnssl and nnU-Net's readers of its form take 3D alone. "
            "Pretrain a 3D configuration: nnUNetv2_train … 3d_fullres …"
        )
    recipe = PlanRecipe(
        record.architecture,
        record.architecture_kwargs,
        record.architecture_requires_import,
        len(record.channel_names),
    )
    network = recipe.build()
    short = record.architecture.rsplit(".", 1)[-1]
    arguments = {key: value for key, value in record.architecture_kwargs.items() if key != "deep_supervision"}
    content = {
        "network_weights": _all_names(source, network),
        "citations": [{"type": "Pretraining", "name": record.method, "apa_citations": [record.citation]}],
        "trainer_name": record.trainer,
        SECTION: {
            "architecture_plans": {
                # Without the module: nnssl looks for these names, nnU-Net's master for what ends in them.
                "arch_class_name": short,
                "arch_kwargs": arguments,
                "arch_kwargs_requiring_import": [k for k in record.architecture_requires_import if arguments.get(k)],
            },
            "pretrain_plan": _plan(record, plans, source.path),
            "pretrain_num_input_channels": len(record.channel_names),
            "recommended_downstream_patchsize": list(record.patch_size),
            "key_to_encoder": network.key_to_encoder,
            "key_to_stem": network.key_to_stem,
            "keys_to_in_proj": list(network.keys_to_in_proj),
            "key_to_lpe": None,
        },
    }
    return content, _unread(short, arguments, len(record.channel_names))


def _all_names(source: SourceWeights, network: nn.Module) -> dict[str, torch.Tensor]:
    """The weights under every name that the network has for them, as its own ``state_dict`` would hold them.

    Raises:
        ValueError: The file does not fill the encoder.
    """
    given = {
        name: source.tensors[name]
        for name, parameter in network.named_parameters()
        if name in source.tensors and source.tensors[name].shape == parameter.shape
    }
    encoder = [name for name, _ in network.named_parameters() if name.startswith("encoder.")]
    absent = [name for name in encoder if name not in given]
    if absent or not encoder:
        raise ValueError(
            f"{source.path} does not fill the encoder of the plan's network ({len(absent)} of {len(encoder)} tensors "
            "are missing), which is all that nnssl's form can hold. Export a pretrainer whose network is the plan's: "
            "DAE, MAE, TAE, Genesis, SyntheticAnomaly."
        )
    first = {id(parameter): name for name, parameter in network.named_parameters()}
    every = {name: first[id(p)] for name, p in network.named_parameters(remove_duplicate=False)}
    # A head that reconstructs is none that segments.
    return {n: given[own] for n, own in every.items() if own in given and HEAD_MARK not in f".{n}"}


def _plan(record: PretrainRecord, plans: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The plan of the pretraining with the one configuration that was trained, as nnssl keeps it."""
    if record.configuration not in plans.get("configurations", {}):
        raise ValueError(
            f"The plans {plans.get('plans_name')} lack configuration {record.configuration!r}, which {path} was "
            "trained with. Take the plans.json of its own model folder."
        )
    used = resolved_configuration(plans, record.configuration)
    configuration = {
        "data_identifier": used["data_identifier"],
        "preprocessor_name": used["preprocessor_name"],
        "spacing_style": "onemmiso" if set(record.spacing) == {1.0} else "median",
        "normalization_schemes": list(record.normalization),
        "use_mask_for_norm": list(used["use_mask_for_norm"]),
        "resampling_fn_data": used["resampling_fn_data"],
        "resampling_fn_data_kwargs": used["resampling_fn_data_kwargs"],
        "resampling_fn_mask": used["resampling_fn_seg"],
        "resampling_fn_mask_kwargs": used["resampling_fn_seg_kwargs"],
        "spacing": list(record.spacing),
        "patch_size": list(record.patch_size),
    }
    return {**{key: plans[key] for key in _PLAN}, "configurations": {record.configuration: configuration}}


def _unread(short: str, arguments: Mapping[str, Any], channels: int) -> tuple[str, ...]:
    """Who cannot read what was written, and why."""
    words = []
    foreign = sorted(set(arguments) ^ set(_ARGUMENTS))
    if foreign:
        words.append(
            f"nnssl itself cannot rebuild this {short}, whose arguments are not those of its plan "
            f"({', '.join(foreign)}); nnU-Net's master can"
        )
    if short == PLANNED[0]:
        words.append(
            f"nnU-Net's PretrainedTrainer loads a {short} into networks of {channels} input channel(s) alone; a "
            f"{PLANNED[1]} has no such limit upwards"
        )
    return tuple(words)
