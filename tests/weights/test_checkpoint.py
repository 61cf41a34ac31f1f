import json
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from weights_helpers import Malicious

from nnunet_uad.weights.checkpoint import (
    MODEL,
    SAFE_SWITCH,
    TRAINING,
    UNSAFE_SWITCH,
    UnsafeCheckpointError,
    no_code,
    read_checkpoint,
)

WEIGHT = torch.ones(2, 2)
CONTENT = {
    "network_weights": {"w": WEIGHT, "alias": WEIGHT, "count": torch.tensor(3)},
    "trainer_name": "nnUNetTrainer",
    "init_args": {"configuration": "2d", "plans": {"plans_name": "p"}, "dataset_json": {}, "fold": "all"},
    "current_epoch": 2,
    "logging": {"mean_fg_dice": [np.float32(0.5), np.float64(0.25)]},
    "_best_ema": np.float64(0.5),
    "optimizer_state": {"state": {0: {"step": torch.tensor(1.0), "exp_avg": WEIGHT}}, "param_groups": []},
    "device": torch.device("cpu"),
}


def saved(path, legacy=False, **changes):
    content = {k: v for k, v in {**CONTENT, **changes}.items() if v is not ...}
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


@pytest.mark.parametrize("legacy", [False, True])
def test_what_nnunet_writes_is_read(tmp_path, legacy):
    stored = read_checkpoint(saved(tmp_path / "c.pth", legacy), TRAINING)
    assert torch.equal(stored.weights["w"], WEIGHT) and stored.fold == "all" and stored.trainer == "nnUNetTrainer"
    assert stored.plans == {"plans_name": "p"} and stored.run == {}


def _bomb(depth=60):
    nest = []
    for _ in range(depth):
        nest = [nest, nest]
    return nest


def _circle():
    circle = []
    circle.append(circle)
    return circle


WRONG = {
    "no weights": ({"network_weights": ...}, "holds no 'network_weights'"),
    "weights are a list": ({"network_weights": [1]}, "holds no 'network_weights'"),
    "empty weights": ({"network_weights": {}}, "holds no weights"),
    "a name is a number": ({"network_weights": {1: WEIGHT}}, "a name of type int"),
    "a weight is a number": ({"network_weights": {"w": 5}}, "of type int"),
    "complex": ({"network_weights": {"w": WEIGHT * 1j}}, "complex"),
    "sparse": ({"network_weights": {"w": WEIGHT.to_sparse()}}, "sparse"),
    "meta": ({"network_weights": {"w": torch.empty(2, device="meta")}}, "without data"),
    "repeats a number": ({"network_weights": {"w": torch.ones(1).expand(10**13)}}, "more than the file has"),
    "NaN": ({"network_weights": {"w": WEIGHT * float("nan")}}, "NaN or infinite numbers, in w of 1"),
    "infinite half": ({"network_weights": {"w": WEIGHT.half() * float("inf")}}, "NaN or infinite numbers"),
    "infinite bfloat": ({"network_weights": {"w": WEIGHT.bfloat16() * float("inf")}}, "NaN or infinite numbers"),
    "NaN in 8 bits": ({"network_weights": {"w": (WEIGHT * float("nan")).to(torch.float8_e5m2)}}, "NaN or infinite"),
    "no epoch": ({"current_epoch": ...}, "lacks current_epoch"),
    "an epoch in words": ({"current_epoch": "two"}, "current_epoch expects a whole number, found 'two'"),
    "an epoch that is true": ({"current_epoch": True}, "current_epoch expects"),
    "trainer is none": ({"trainer_name": None}, "trainer_name expects text"),
    "arguments are a list": ({"init_args": [1]}, "init_args expects a mapping, found a list"),
    "no plans": ({"init_args": {"configuration": "2d"}}, "init_args lacks plans, dataset_json"),
    "plans are text": ({"init_args": {**CONTENT["init_args"], "plans": "p"}}, "init_args/plans expects a mapping"),
    "our block is a list": (
        {"init_args": {**CONTENT["init_args"], "plans": {"nnunet_uad": [1]}}},
        "nnunet_uad expects a mapping with settings",
    ),
    "a negative seed": ({"init_args": {**CONTENT["init_args"], "plans": {"nnunet_uad": {"seed": -1}}}}, "seed expects"),
    "mirrored axes": ({"inference_allowed_mirroring_axes": [0, 9]}, "mirroring_axes expects axes from 0 to 2"),
    "lists that multiply": ({"logging": {"x": _bomb()}}, "values or lists deeper"),
    "wide lists that multiply": ({"logging": {"x": [[[[[list(range(100))] * 9] * 9] * 9] * 9] * 9}}, "values or lists"),
    "a list inside itself": ({"logging": {"x": _circle()}}, "values or lists deeper"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_no_training_wrote_is_refused_by_name(tmp_path, what):
    changes, message = WRONG[what]
    with pytest.raises(ValueError, match=message) as refusal:
        read_checkpoint(saved(tmp_path / "altered.pth", **changes), TRAINING)
    assert str(tmp_path / "altered.pth") in str(refusal.value) and len(str(refusal.value)) < 600


def test_a_file_that_is_empty_cut_packed_or_no_mapping_is_refused_by_name(tmp_path):
    whole = saved(tmp_path / "whole.pth").read_bytes()
    torch.save([1, 2], tmp_path / "list.pth")
    with zipfile.ZipFile(tmp_path / "packed.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"0" * 1000)
    for name, content in {"empty.pth": b"", "cut.pth": whole[:-100], "text.pth": b"weights, honestly"}.items():
        (tmp_path / name).write_bytes(content)
    for name in ("list", "packed", "empty", "cut", "text"):
        with pytest.raises(ValueError, match=rf"{name}\.pth"):
            read_checkpoint(tmp_path / f"{name}.pth")
    with pytest.raises(FileNotFoundError, match=r"none\.pth"):
        read_checkpoint(tmp_path / "none.pth")


@pytest.mark.parametrize("protocol", range(6))
def test_code_is_named_and_never_run(tmp_path, protocol):
    target = tmp_path / "ran"
    (tmp_path / "bare.pth").write_bytes(pickle.dumps(Malicious(target), protocol))
    torch.save({**CONTENT, "extra": Malicious(target)}, tmp_path / "zip.pth", pickle_protocol=min(protocol, 4) or 2)
    for name in ("bare.pth", "zip.pth"):
        with pytest.raises(ValueError, match=name) as refusal:
            read_checkpoint(tmp_path / name)
        # PyTorch reads no pickle of protocol 0 or 1 at all.
        assert isinstance(refusal.value, UnsafeCheckpointError) or (name == "bare.pth" and protocol < 2)
        if isinstance(refusal.value, UnsafeCheckpointError):
            assert "posix.mkdir" in str(refusal.value)
    assert not target.exists()


def test_a_switch_of_the_users_does_not_make_us_run_code(tmp_path, monkeypatch):
    """People set PyTorch's unsafe switch for other programs; afterwards it is as it was."""
    monkeypatch.setenv(UNSAFE_SWITCH, "1")
    monkeypatch.delenv(SAFE_SWITCH, raising=False)
    torch.save(Malicious(tmp_path / "ran"), tmp_path / "evil.pth")
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"), no_code():
        torch.load(tmp_path / "evil.pth", weights_only=False)
    assert not (tmp_path / "ran").exists()
    assert os.environ[UNSAFE_SWITCH] == "1" and SAFE_SWITCH not in os.environ


def test_other_networks_folders_and_optimisers_are_named(tmp_path):
    stored = read_checkpoint(saved(tmp_path / "c.pth"), MODEL)
    with pytest.raises(ValueError, match=r"c\.pth does not hold .* weight is missing; bias is missing; w has no place"):
        stored.refuse_other_network(torch.nn.Linear(2, 2))
    whole = {"weight": torch.ones(2, 2, dtype=torch.int64), "bias": torch.ones(3)}
    other = read_checkpoint(saved(tmp_path / "i.pth", network_weights=whole, optimizer_state={"state": [1]}))
    with pytest.raises(ValueError, match=r"bias has shape \[3\] instead of \[2\]; weight is torch.int64 instead of"):
        other.refuse_other_network(torch.nn.Linear(2, 2))
    other.refuse_spoilt_optimizer()
    stored.refuse_other_plans({"configurations": {"2d": {}}})
    with pytest.raises(ValueError, match=r"c\.pth was trained with configuration '2d'; the plans .* have: 3d"):
        stored.refuse_other_plans({"configurations": {"3d": {}}})
    stored.refuse_spoilt_optimizer()
    state = {"state": {0: {"exp_avg": WEIGHT * float("nan")}}}
    with pytest.raises(ValueError, match=r"spoilt\.pth: optimizer_state holds NaN"):
        read_checkpoint(saved(tmp_path / "spoilt.pth", optimizer_state=state)).refuse_spoilt_optimizer()
    with pytest.raises(ValueError, match=r"c\.pth does not fit \(KeyError"), stored.unfit_is_told():
        json.loads("{}")["state"]


@settings(max_examples=40, deadline=None)
@given(data=st.data(), legacy=st.booleans())
def test_damaged_bytes_raise_nothing_but_words(tmp_path_factory, data, legacy):
    path = saved(tmp_path_factory.getbasetemp() / "fuzzed.pth", legacy)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content)
    try:
        read_checkpoint(path)
    except ValueError as error:
        assert "fuzzed.pth" in str(error)
