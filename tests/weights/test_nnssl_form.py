"""Our weights in nnssl's form: read back by us, and by the loaders of others where they are installed."""

import json
import os
from pathlib import Path

import pytest
import torch
from peers import ARGUMENTS, nnssl_content, nnssl_network
from weights_helpers import make_record

from nnunet_uad.weights.architecture import Architecture
from nnunet_uad.weights.nnssl_form import nnssl_checkpoint, write_nnssl
from nnunet_uad.weights.readers import read_weights
from nnunet_uad.weights.safe_file import canonical_tensors, write_pretrained

RESIDUAL = Architecture.of("ResidualEncoderUNet", ARGUMENTS, ("conv_op", "norm_op", "nonlin"))
CONFIGURATION = {
    "data_identifier": "nnUNetPlans_3d_small",
    "preprocessor_name": "DefaultPreprocessor",
    "use_mask_for_norm": [True],
    "resampling_fn_data": "resample_data_or_seg_to_shape",
    "resampling_fn_data_kwargs": {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None},
    "resampling_fn_seg": "resample_data_or_seg_to_shape",
    "resampling_fn_seg_kwargs": {"is_seg": True, "order": 1, "order_z": 0, "force_separate_z": None},
}
PLANS = {
    "dataset_name": "Dataset991_Tiny",
    "plans_name": "nnUNetPlans",
    "original_median_spacing_after_transp": [1.0, 1.0, 1.0],
    "image_reader_writer": "SimpleITKIO",
    "transpose_forward": [0, 1, 2],
    "transpose_backward": [0, 1, 2],
    "experiment_planner_used": "ExperimentPlanner",
    "configurations": {"3d_small": CONFIGURATION},
}


def pretrained(folder: Path, architecture: Architecture = RESIDUAL, network=None, **changes):
    """A pretrainer's file of a tiny 3D network with one channel."""
    record = make_record(
        configuration="3d_small",
        channel_names=("FLAIR",),
        normalization=("ZScoreNormalization",),
        spacing=(1.0, 1.0, 1.0),
        patch_size=(16, 16, 16),
        architecture=architecture.name,
        architecture_kwargs=architecture.arguments,
        architecture_requires_import=architecture.requires_import,
        **changes,
    )
    network = nnssl_network() if network is None else network
    write_pretrained(folder / "pretrained.safetensors", canonical_tensors(network), record)
    return read_weights(folder / "pretrained.safetensors"), network


def test_written_and_read_back(tmp_path):
    source, network = pretrained(tmp_path)
    assert write_nnssl(source, PLANS, tmp_path / "out") == ()
    back = read_weights(tmp_path / "out" / "checkpoint_final.pth")
    assert (back.kind, back.spacing, back.normalization, back.use_mask_for_norm, back.patch_size) == (
        "nnssl",
        (1, 1, 1),
        ("ZScoreNormalization",),
        (True,),
        (16, 16, 16),
    )
    assert (back.dataset, back.trainer, back.citation) == ("Dataset991_Tiny", "nnUNetPretrainerDAE", "somebody")
    # Every name that the network has, heads apart: others load module by module, strictly.
    expected = {n: t for n, t in network.state_dict().items() if ".seg_layers." not in n}
    assert set(back.tensors) == set(expected) and all(torch.equal(back.tensors[n], t) for n, t in expected.items())
    plan = json.loads((tmp_path / "out" / "adaptation_plan.json").read_text())
    assert plan["key_to_stem"] == "encoder.stem" and plan["trainer_name"] == "nnUNetPretrainerDAE"
    assert (tmp_path / "out" / "config.json").is_file()


def test_it_has_the_keys_that_nnssl_writes_and_no_case(tmp_path):
    content, _ = nnssl_checkpoint(pretrained(tmp_path)[0], PLANS)
    theirs, ours = nnssl_content()["nnssl_adaptation_plan"], content["nnssl_adaptation_plan"]
    assert set(ours) == set(theirs)
    assert set(ours["architecture_plans"]["arch_kwargs"]) == set(theirs["architecture_plans"]["arch_kwargs"])
    assert set(ours["pretrain_plan"]) == set(theirs["pretrain_plan"])
    configurations = ours["pretrain_plan"]["configurations"], theirs["pretrain_plan"]["configurations"]
    assert set(configurations[0]["3d_small"]) == set(configurations[1]["onemmiso"])
    assert set(content) == {"network_weights", "citations", "trainer_name", "nnssl_adaptation_plan"}


def test_plain_networks_are_written_with_a_warning(tmp_path):
    arguments = {k: v for k, v in ARGUMENTS.items() if k != "n_blocks_per_stage"} | {"n_conv_per_stage": [1, 1, 1]}
    plain = Architecture.of("PlainConvUNet", arguments, ("conv_op", "norm_op", "nonlin"))
    from nnunet_uad.networks.recipe import PlanRecipe

    network = PlanRecipe(plain.name, plain.arguments, plain.requires_import, 1).build()
    source, _ = pretrained(tmp_path, plain, network)
    content, unread = nnssl_checkpoint(source, PLANS)
    assert content["nnssl_adaptation_plan"]["key_to_stem"] == "encoder.stages.0"
    assert "nnssl itself cannot rebuild" in unread[0] and "1 input channel(s) alone" in unread[1]


def test_what_the_form_cannot_hold_is_refused(tmp_path):
    source, _ = pretrained(tmp_path)
    with pytest.raises(ValueError, match="lack configuration '3d_small'"):
        nnssl_checkpoint(source, {**PLANS, "configurations": {}})
    del source.tensors["encoder.stages.1.blocks.0.conv1.conv.weight"]
    with pytest.raises(ValueError, match="does not fill the encoder"):
        nnssl_checkpoint(source, PLANS)
    write_pretrained(tmp_path / "flat.safetensors", {"a": torch.ones(1)}, make_record())
    with pytest.raises(ValueError, match="2D weights"):
        write_nnssl(read_weights(tmp_path / "flat.safetensors"), PLANS, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_nnssls_own_code_accepts_it(tmp_path, monkeypatch):
    """Runs where nnssl is installed, which is not on PyPI."""
    for name in ("nnssl_raw", "nnssl_preprocessed", "nnssl_results"):
        monkeypatch.setenv(name, str(tmp_path))
    trainer = pytest.importorskip("nnssl.training.nnsslTrainer.AbstractTrainer").AbstractBaseTrainer
    source, _ = pretrained(tmp_path)
    write_nnssl(source, PLANS, tmp_path / "out")
    content = torch.load(tmp_path / "out" / "checkpoint_final.pth", weights_only=True)
    trainer.verify_adaptation_plans(content["nnssl_adaptation_plan"], "3d_small", content["network_weights"])


@pytest.mark.parametrize("channels", [1, 2])
def test_the_loader_of_nnunets_master_accepts_it(tmp_path, channels):
    """Runs where nnU-Net's master branch is installed; the releases on PyPI do not have it."""
    master = pytest.importorskip("nnunetv2.training.nnUNetTrainer.pretraining.pretrainedTrainer").PretrainedTrainer
    source, pretrainer = pretrained(tmp_path)
    write_nnssl(source, PLANS, tmp_path / "out")
    path = os.fspath(tmp_path / "out" / "checkpoint_final.pth")
    plan = torch.load(path, weights_only=True)["nnssl_adaptation_plan"]
    described = plan["architecture_plans"]
    network = master.build_network_architecture(
        described["arch_class_name"],
        described["arch_kwargs"],
        described["arch_kwargs_requiring_import"],
        (16, 16, 16),
        channels,
        3,
        False,
    )
    keys = (plan["key_to_encoder"], plan["key_to_stem"], tuple(plan["keys_to_in_proj"]), plan["key_to_lpe"])
    patch = plan["recommended_downstream_patchsize"]
    network, _ = master.load_pretrained_weights(network, path, 1, channels, patch, patch, *keys)
    mine, theirs = pretrainer.encoder.state_dict(), network.encoder.state_dict()
    for name, tensor in mine.items():
        expected = tensor if theirs[name].shape == tensor.shape else tensor.repeat(1, channels, 1, 1, 1) / channels
        assert torch.equal(theirs[name], expected), name
