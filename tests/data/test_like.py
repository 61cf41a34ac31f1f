import json

import pytest
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from peers import amaes_state, nnssl_file
from weights_helpers import make_record

from nnunet_uad.data.like import configuration_like
from nnunet_uad.weights.architecture import Architecture
from nnunet_uad.weights.readers import read_weights
from nnunet_uad.weights.safe_file import write_pretrained
from nnunet_uad.weights.transfer import transfer

CHANNELS = ("FLAIR", "T1")


@pytest.fixture
def plans(tiny_dataset):
    return json.loads((tiny_dataset / "nnUNetPlans.json").read_text())


@pytest.fixture
def dataset_json(tiny_dataset):
    return json.loads((tiny_dataset / "dataset.json").read_text())


@pytest.fixture
def openmind(tmp_path):
    return read_weights(nnssl_file(tmp_path / "openmind.pth"))


def shares(source, plans, entry):
    """What of encoder and decoder comes from the file, in the network that nnU-Net builds."""
    manager = PlansManager({**plans, "configurations": {**plans["configurations"], "x": entry}})
    network = nnUNetTrainer.build_network_architecture(manager, manager.get_configuration("x"), 2, 3)
    report = transfer(source, network, CHANNELS)
    return report.share("encoder"), report.share("decoder")


def test_nnssls_weights_find_their_network(plans, dataset_json, openmind):
    like = configuration_like(openmind, plans, dataset_json, "3d_fullres", "x")
    entry = like.entry
    assert (entry["spacing"], entry["patch_size"], entry["batch_size"]) == ([1, 1, 1], [32, 32, 32], 2)
    assert entry["normalization_schemes"] == ["ZScoreNormalization"] * 2 and entry["use_mask_for_norm"] == [False] * 2
    assert entry["data_identifier"] == "nnUNetPlans_x" and entry["inherits_from"] == "3d_fullres"
    assert shares(openmind, plans, entry) == (1.0, 1.0)
    assert [d.split(":")[0] for d in like.differences] == ["batch", "channels"]


def test_weights_of_one_dataset_load_whole_into_the_plans_of_another(plans, dataset_json, dae_fold):
    """The plans of the other dataset have a network of their own; ours and nnU-Net's files say what they want."""
    for kernel in plans["configurations"].values():
        kernel.get("architecture", {}).get("arch_kwargs", {})["features_per_stage"] = [4] * 20
    plans["configurations"] = {
        "2d": plans["configurations"]["2d"] | {"spacing": [0.7, 0.7], "normalization_schemes": ["NoNormalization"] * 2}
    }
    arguments = plans["configurations"]["2d"]["architecture"]["arch_kwargs"]
    arguments["features_per_stage"] = [4] * arguments["n_stages"]
    for name in ("pretrained.safetensors", "checkpoint_final.pth"):
        source = read_weights(dae_fold / name)
        like = configuration_like(source, plans, dataset_json, "2d", "x")
        assert shares(source, plans, like.entry) == (1.0, 1.0)
        assert like.entry["normalization_schemes"] == ["ZScoreNormalization"] * 2
        assert (like.entry["spacing"], like.entry["patch_size"]) == ([2, 2], [32, 32])
    assert like.entry["batch_size"] == 4 and not like.differences


def test_amaes_encoder_finds_its_network_and_the_difference_is_said(plans, dataset_json, tmp_path):
    torch.save(amaes_state(), tmp_path / "unet_b.pth")
    source = read_weights(tmp_path / "unet_b.pth")
    like = configuration_like(source, plans, dataset_json, "3d_fullres", "x", patch_size=(32, 32, 32))
    assert shares(source, plans, like.entry) == (1.0, 0.0)
    assert like.entry["normalization_schemes"] == ["RescaleTo01Normalization"] * 2
    words = "; ".join(like.differences)
    assert "max pooling" in words and "patch: 32 x 32 x 32 voxels instead of the file's 128 x 128 x 128" in words


def test_what_is_asked_for_replaces_what_the_file_says(plans, dataset_json, openmind):
    like = configuration_like(openmind, plans, dataset_json, "3d_fullres", "x", (2,), (8, 16, 16), 1)
    assert (like.entry["spacing"], like.entry["patch_size"], like.entry["batch_size"]) == ([2] * 3, [8, 16, 16], 1)
    assert any(d.startswith("spacing: expected about 2 x 2 x 2 mm") for d in like.differences)


def test_channels_without_a_counterpart_keep_their_own_normalisation(plans, dataset_json, tmp_path):
    plans["configurations"]["2d"]["normalization_schemes"] = ["NoNormalization", "CTNormalization"]
    architecture = PlansManager(plans).get_configuration("2d_tiny").configuration["architecture"]
    network = Architecture.of(
        architecture["network_class_name"], architecture["arch_kwargs"], tuple(architecture["_kw_requires_import"])
    )
    record = make_record(
        architecture_kwargs=network.arguments,
        architecture_requires_import=network.requires_import,
        channel_names=("PD", "flair"),
    )
    write_pretrained(tmp_path / "x.safetensors", {"encoder.stages.0.w": torch.ones(8, 2, 3, 3)}, record)
    like = configuration_like(read_weights(tmp_path / "x.safetensors"), plans, dataset_json, "2d", "x")
    assert like.entry["normalization_schemes"] == ["ZScoreNormalization", "CTNormalization"]
    assert "channels: T1 not in the file; start from the mean of its channels" in like.differences
    assert any("uses the intensities of this dataset" in d for d in like.differences)


def test_what_does_not_fit_is_refused(plans, dataset_json, openmind, tmp_path):
    with pytest.raises(ValueError, match=r"3D weights, configuration '2d' is 2D.*-c 3d_fullres"):
        configuration_like(openmind, plans, dataset_json, "2d", "x")
    with pytest.raises(ValueError, match=r"not divisible by 4 x 4 x 4.*--patch 32 32 36"):
        configuration_like(openmind, plans, dataset_json, "3d_fullres", "x", patch_size=(32, 32, 33))
    with pytest.raises(ValueError, match="--spacing expects 3 values"):
        configuration_like(openmind, plans, dataset_json, "3d_fullres", "x", (1, 2))
    record = make_record(channel_names=("CT", "PET"))
    write_pretrained(tmp_path / "ct.safetensors", {"a": torch.ones(1)}, record)
    with pytest.raises(ValueError, match="trained on CT, PET; this dataset has FLAIR, T1"):
        configuration_like(read_weights(tmp_path / "ct.safetensors"), plans, dataset_json, "2d", "x")
    primus = nnssl_file(tmp_path / "p.pth", architecture_plans={"arch_class_name": "PrimusM", "arch_kwargs": None})
    with pytest.raises(ValueError, match="is for PrimusM; plans can be made for weights of PlainConvUNet"):
        configuration_like(read_weights(primus), plans, dataset_json, "3d_fullres", "x")
