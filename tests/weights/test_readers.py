import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from weights_helpers import Malicious as _Malicious
from weights_helpers import make_record

from nnunet_uad.weights.readers import read_weights
from nnunet_uad.weights.safe_file import write_pretrained


def _checkpoint(**changes):
    content = {
        "network_weights": {"encoder.stages.0.weight": torch.ones(2, 2, 3, 3)},
        "logging": {"mean_fg_dice": [np.float64(0.5), np.float32(0.25)]},
        "_best_ema": np.float64(0.5),
        "init_args": {"configuration": "2d", "dataset_json": {"channel_names": {"0": "FLAIR", "1": "T1"}}},
        "trainer_name": "nnUNetTrainer",
    }
    return {**content, **changes}


def test_own_file_whatever_its_name(tmp_path):
    write_pretrained(tmp_path / "renamed.pth", {"a": torch.zeros(2)}, make_record())
    source = read_weights(tmp_path / "renamed.pth")
    assert (source.kind, source.channel_names, source.configuration) == ("nnunet_uad", ("FLAIR", "T1"), "2d_tiny")


def test_foreign_safetensors(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "x.safetensors")
    assert read_weights(tmp_path / "x.safetensors").kind == "safetensors"


def test_nnunet_checkpoint_with_numpy_scalars(tmp_path):
    torch.save(_checkpoint(), tmp_path / "checkpoint_final.pth")
    source = read_weights(tmp_path / "checkpoint_final.pth")
    assert source.kind == "nnunet" and source.channel_names == ("FLAIR", "T1")
    assert source.configuration == "2d" and source.record is None


def test_wrappers_prefixes_are_removed(tmp_path):
    weights = {"module._orig_mod.encoder.w": torch.zeros(1)}
    torch.save(_checkpoint(network_weights=weights), tmp_path / "c.pth")
    assert list(read_weights(tmp_path / "c.pth").tensors) == ["encoder.w"]


def test_nnssl_checkpoint_is_renamed_by_its_own_plan(tmp_path):
    plan = {"key_to_encoder": "backbone.stages", "key_to_stem": "backbone.stem"}
    weights = {
        "backbone.stages.0.weight": torch.zeros(1),
        "backbone.stem.conv.weight": torch.zeros(2),
        "decoder.head.weight": torch.zeros(3),
    }
    torch.save({"network_weights": weights, "nnssl_adaptation_plan": plan}, tmp_path / "n.pth")
    source = read_weights(tmp_path / "n.pth")
    assert source.kind == "nnssl" and source.channel_names == ()
    assert set(source.tensors) == {"encoder.stages.0.weight", "encoder.stem.conv.weight", "decoder.head.weight"}


def test_nnssl_writes_arguments_of_its_trainer_too(tmp_path):
    """As nnssl's trainers save: init_args in a form of their own, the pretraining's plan in the adaptation plan."""
    seen = {"spacing": [1, 1, 1], "normalization_schemes": ["ZScoreNormalization"], "patch_size": [160] * 3}
    plan = {
        "architecture_plans": {"arch_class_name": "ResEncL", "arch_kwargs": None},
        "pretrain_plan": {"dataset_name": "Dataset745_OpenMind", "configurations": {"onemmiso": seen}},
        "pretrain_num_input_channels": 1,
        "key_to_encoder": "encoder.stages",
        "key_to_stem": "encoder.stem",
        "keys_to_in_proj": ("encoder.stem.convs.0.conv",),
    }
    content = _checkpoint(
        network_weights={"encoder.stem.convs.0.conv.weight": torch.zeros(1)},
        init_args={"plan": {}, "configuration_name": "onemmiso", "fold": "all", "pretrain_json": {}},
        nnssl_adaptation_plan=plan,
    )
    torch.save(content, tmp_path / "n.pth")
    source = read_weights(tmp_path / "n.pth")
    assert (source.kind, source.spacing, source.normalization) == ("nnssl", (1, 1, 1), ("ZScoreNormalization",))
    assert (source.configuration, source.fold, source.dataset) == ("onemmiso", "all", "Dataset745_OpenMind")


def test_stock_checkpoints_say_what_they_were_trained_on(tmp_path):
    inner = {"spacing": [1.0, 1.0], "normalization_schemes": ["CTNormalization"]}
    plans = {"dataset_name": "Dataset001_A", "configurations": {"2d": inner, "small": {"inherits_from": "2d"}}}
    arguments = {"configuration": "small", "fold": "all", "plans": plans, "dataset_json": {"channel_names": {0: "CT"}}}
    torch.save(_checkpoint(init_args=arguments), tmp_path / "c.pth")
    source = read_weights(tmp_path / "c.pth")
    assert (source.spacing, source.normalization, source.channel_names) == ((1.0, 1.0), ("CTNormalization",), ("CT",))
    assert (source.dataset, source.fold, source.trainer) == ("Dataset001_A", "all", "nnUNetTrainer")


def test_checkpoints_of_the_master_branch_keep_what_they_started_from(tmp_path):
    """Plans that preprocess_like_nnssl writes (experiment_planning/like_nnssl.py, commit 0e49508), with no_resample."""
    network = {"network_class_name": "ResEncL", "arch_kwargs": None, "_kw_requires_import": None}
    inner = {"spacing": [None] * 3, "normalization_schemes": ["ZScoreNormalization"], "architecture": network}
    started = {"citations": [{"type": "Dataset", "apa_citations": ["OpenMind"]}], "key_to_stem": "encoder.stem"}
    plans = {"configurations": {"3d_fullres": inner | {"patch_size": [160] * 3}}, "pretrain_info": started}
    arguments = {"configuration": "3d_fullres", "plans": plans, "dataset_json": {"channel_names": {"0": "T1"}}}
    torch.save(_checkpoint(init_args=arguments, trainer_name="PretrainedTrainer"), tmp_path / "c.pth")
    source = read_weights(tmp_path / "c.pth")
    assert (source.kind, source.spacing, source.patch_size, source.citation) == ("nnunet", (), (160,) * 3, "OpenMind")
    assert source.architecture.called == "ResEncL" and source.architecture.is_planned


_PLANS = {
    "configurations": {"2d": {"spacing": [1.0, 1.0]}, "me": {"inherits_from": "me"}, "no": {"inherits_from": "x"}}
}


@pytest.mark.parametrize(
    "changes",
    [
        {"init_args": [1]},
        {"init_args": {"dataset_json": None}},
        {"init_args": {"dataset_json": {"channel_names": ["FLAIR"]}}},
        {"init_args": {"dataset_json": {"channel_names": {"0": [1]}}}},
        {"init_args": {"configuration": 5}},
        {"init_args": {"configuration": "2d", "plans": {"configurations": {"2d": 5}}}},
        {"init_args": {"configuration": "2d", "plans": {"configurations": {"2d": {"spacing": [0, 0]}}}}},
        {"init_args": {"configuration": "2d", "plans": {"configurations": {"2d": {"spacing": "x"}}}}},
        {"init_args": {"configuration": "2d", "plans": {"configurations": {"2d": {"normalization_schemes": [1]}}}}},
        {"init_args": {"configuration": "me", "plans": _PLANS}},
        {"init_args": {"configuration": "no", "plans": _PLANS}},
        {"nnssl_adaptation_plan": "x"},
        {"nnssl_adaptation_plan": 5},
        {"nnssl_adaptation_plan": {"key_to_encoder": 5}},
        {"nnssl_adaptation_plan": {"pretrain_plan": [1]}},
        {"nnssl_adaptation_plan": {"pretrain_plan": {"configurations": {"a": {"spacing": ["b"]}}}}},
    ],
)
def test_what_a_checkpoint_says_of_itself_in_a_wrong_form_is_refused_by_name(tmp_path, changes):
    torch.save(_checkpoint(**changes), tmp_path / "odd.pth")
    with pytest.raises(ValueError, match=r"odd\.pth"):
        read_weights(tmp_path / "odd.pth")


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_damaged_files_of_ours_raise_nothing_but_words(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "fuzzed.safetensors"
    write_pretrained(path, {"a": torch.ones(2, 2), "n": torch.tensor(3)}, make_record())
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content)
    try:
        read_weights(path)
    except ValueError as error:
        assert "fuzzed.safetensors" in str(error)


@pytest.mark.parametrize("legacy", [False, True])
def test_malicious_pickle_is_refused_and_does_not_run(tmp_path, legacy):
    content = _checkpoint(extra=_Malicious(str(tmp_path / "pwned")))
    torch.save(content, tmp_path / "evil.pth", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(ValueError, match="would have to run code"):
        read_weights(tmp_path / "evil.pth")
    (tmp_path / "raw.pth").write_bytes(pickle.dumps(_Malicious(str(tmp_path / "pwned"))))
    with pytest.raises(ValueError, match=r"raw\.pth"):
        read_weights(tmp_path / "raw.pth")
    assert not (tmp_path / "pwned").exists()


def test_truncated_checkpoint_is_refused(tmp_path):
    path = tmp_path / "checkpoint_final.pth"
    torch.save(_checkpoint(), path)
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(ValueError, match="may be truncated"):
        read_weights(path)


def test_something_else_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("weights, honestly")
    with pytest.raises(ValueError, match="neither a safetensors file nor a PyTorch checkpoint"):
        read_weights(tmp_path / "a.txt")
    torch.save({"state_dict": {}}, tmp_path / "b.pth")
    with pytest.raises(ValueError, match=r"no 'network_weights' \(found: state_dict\)"):
        read_weights(tmp_path / "b.pth")
    with pytest.raises(FileNotFoundError, match="no weight file"):
        read_weights(tmp_path / "none.pth")
    with pytest.raises(
        FileNotFoundError, match=r"is a folder. Name a file of weights in it, .*/pretrained.safetensors"
    ):
        read_weights(tmp_path)


@pytest.mark.parametrize("length", [0x180, 0x4B50])
def test_a_header_whose_length_looks_like_a_pickle_or_a_zip(tmp_path, length):
    """The file starts with the header's length: 0x80 begins a pickle, PK (0x4B50) a zip."""
    path = tmp_path / "w.safetensors"
    save_file({"a": torch.ones(2)}, path, metadata={"x": ""})
    padding = length - int.from_bytes(path.read_bytes()[:8], "little")
    save_file({"a": torch.ones(2)}, path, metadata={"x": "x" * padding})
    assert int.from_bytes(path.read_bytes()[:8], "little") == length
    assert path.read_bytes()[:1] in b"\x80P"
    assert torch.equal(read_weights(path).tensors["a"], torch.ones(2))
