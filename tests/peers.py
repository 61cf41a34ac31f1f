"""Weight files of others, built by hand as their code writes them; tiny networks, random weights."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch

from nnunet_uad.networks.recipe import PlanRecipe
from nnunet_uad.weights.architecture import Architecture

CITED = "Wald, T. et al.: An OpenMind for 3D medical vision self-supervised learning."

#: As ``DynamicArchitecturePlans.serialize`` writes it: nnssl, src/nnssl/adaptation_planning/adaptation_plan.py, lines
#: 62-85, commit 7044864.
ARGUMENTS: dict[str, Any] = {
    "n_stages": 3,
    "features_per_stage": [4, 8, 8],
    "conv_op": "torch.nn.modules.conv.Conv3d",
    "kernel_sizes": [[3, 3, 3]] * 3,
    "strides": [[1, 1, 1], [2, 2, 2], [2, 2, 2]],
    "n_blocks_per_stage": [1, 1, 2],
    "n_conv_per_stage_decoder": [1, 1],
    "conv_bias": True,
    "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
    "norm_op_kwargs": {"eps": 1e-5, "affine": True},
    "dropout_op": None,
    "dropout_op_kwargs": None,
    "nonlin": "torch.nn.modules.activation.LeakyReLU",
    "nonlin_kwargs": {"inplace": True},
}


def nnssl_network(channels: int = 1) -> torch.nn.Module:
    """The network of :func:`nnssl_content`."""
    architecture = Architecture.of("ResidualEncoderUNet", ARGUMENTS, ("conv_op", "norm_op", "nonlin"))
    return PlanRecipe(architecture.name, architecture.arguments, architecture.requires_import, channels).build()


def nnssl_content(channels: int = 1, seed: int = 0, **plan_changes: Any) -> dict[str, Any]:
    """As ``save_checkpoint`` writes: nnssl, src/nnssl/training/nnsslTrainer/AbstractTrainer.py, lines 835-857."""
    torch.manual_seed(seed)
    configuration = {
        "data_identifier": "nnsslPlans_onemmiso",
        "preprocessor_name": "DefaultPreprocessor",
        "spacing_style": "onemmiso",
        "normalization_schemes": ["ZScoreNormalization"],
        "use_mask_for_norm": [False],
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None},
        "resampling_fn_mask": "resample_data_or_seg_to_shape",
        "resampling_fn_mask_kwargs": {"is_seg": True, "order": 1, "order_z": 0, "force_separate_z": None},
        "spacing": [1, 1, 1],
        "patch_size": (16, 16, 16),
    }
    plan = {
        "dataset_name": "Dataset745_OpenMind",
        "plans_name": "nnsslPlans",
        "original_median_spacing_after_transp": [1.0, 1.0, 1.0],
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {"onemmiso": configuration},
        "experiment_planner_used": "ExperimentPlanner",
    }
    adaptation = {
        "architecture_plans": {
            "arch_class_name": "ResidualEncoderUNet",
            "arch_kwargs": ARGUMENTS,
            "arch_kwargs_requiring_import": ["conv_op", "norm_op", "nonlin"],
        },
        "pretrain_plan": plan,
        "pretrain_num_input_channels": channels,
        "recommended_downstream_patchsize": (32, 32, 32),
        "key_to_encoder": "encoder.stages",
        "key_to_stem": "encoder.stem",
        "keys_to_in_proj": ("encoder.stem.convs.0.conv", "encoder.stem.convs.0.all_modules.0"),
        "key_to_lpe": None,
        **plan_changes,
    }
    people = {f"sub-{i}": {"sessions": {"ses": {"images": [{"image_path": f"/data/{i}.nii.gz"}]}}} for i in range(3)}
    return {
        "network_weights": nnssl_network(channels).state_dict(),
        "optimizer_state": {"state": {}, "param_groups": []},
        "grad_scaler_state": None,
        "logging": {"train_losses": [0.5]},
        "_best_ema": None,
        "current_epoch": 1000,
        "init_args": {
            "plan": copy.deepcopy(plan),
            "configuration_name": "onemmiso",
            "fold": "all",
            "pretrain_json": {"datasets": {"ds000001": {"subjects": people}}},
            "device": torch.device("cuda"),
        },
        "trainer_name": "BaseMAETrainer",
        "citations": [{"type": "Pretraining Method", "name": "MAE", "apa_citations": [CITED]}],
        "nnssl_adaptation_plan": adaptation,
    }


def nnssl_file(path: Path, **changes: Any) -> Path:
    """A checkpoint of nnssl."""
    torch.save(nnssl_content(**changes), path)
    return path


def amaes_state(width: int = 4, prefix: str = "model.") -> dict[str, torch.Tensor]:
    """Names and shapes of a pretraining with ``unet_b_lw_dec``, only narrower.

    AMAES, src/models/networks/unet.py, lines 71-175 (encoder) and 178-290 (decoder), and
    src/models/conv_blocks/blocks.py, commit a51df88.
    """
    torch.manual_seed(1)
    state: dict[str, torch.Tensor] = {}

    def block(name: str, inside: int, outside: int, convolutions: int) -> None:
        for i in range(1, convolutions + 1):
            state[f"{prefix}{name}.conv{i}.conv.weight"] = torch.randn(outside, inside if i == 1 else outside, 3, 3, 3)
            for kind in ("conv.bias", "norm.weight", "norm.bias"):
                state[f"{prefix}{name}.conv{i}.{kind}"] = torch.randn(outside)

    block("encoder.in_conv", 1, width, 2)
    for stage in range(1, 5):
        block(f"encoder.encoder_conv{stage}", width * 2 ** (stage - 1), width * 2**stage, 2)
    for step in range(1, 5):
        wide, narrow = width * 2 ** (5 - step), width * 2 ** (4 - step)
        state[f"{prefix}rec_head.upsample{step}.weight"] = torch.randn(wide, narrow, 2, 2, 2)
        state[f"{prefix}rec_head.upsample{step}.bias"] = torch.randn(narrow)
        block(f"rec_head.decoder_conv{step}", narrow, narrow, 1)
    state[f"{prefix}rec_head.out_conv.weight"] = torch.randn(1, width, 1, 1, 1)
    state[f"{prefix}rec_head.out_conv.bias"] = torch.randn(1)
    return state
