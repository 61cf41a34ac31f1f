import os
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
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


class _Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


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
