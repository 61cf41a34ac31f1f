import dataclasses
from pathlib import Path

import pytest
import torch
from torch import nn
from weights_helpers import make_record

from nnunet_uad.weights.continuation import begin_with, check_base, read_base
from nnunet_uad.weights.safe_file import canonical_tensors, write_pretrained
from nnunet_uad.weights.source import SourceWeights
from nnunet_uad.weights.suitability import TransferTarget

CHANNELS = ("FLAIR", "T1")


class Small(nn.Module):
    """An encoder, and a decoder with a head that gives the channels back."""

    def __init__(self, channels=2):
        super().__init__()
        self.encoder = nn.Conv2d(channels, 4, 3)
        self.decoder = nn.ModuleDict({"seg_layers": nn.ModuleList([nn.Conv2d(4, channels, 1)])})


def source_of(network, names=CHANNELS, record=None, kind="nnunet_uad"):
    return SourceWeights(Path("x"), kind, canonical_tensors(network), record or make_record(), names)


def test_heads_are_loaded_and_second_networks_from_the_one_that_the_file_holds():
    first, networks = Small(), {"online": Small(), "average": Small(), "discriminator": nn.Linear(1, 1)}
    report = begin_with(source_of(first), networks, CHANNELS)
    for name in ("online", "average"):
        mine = canonical_tensors(networks[name])
        assert all(torch.equal(tensor, mine[key]) for key, tensor in canonical_tensors(first).items())
    assert {o.status for o in report.outcomes} == {"loaded"} and report.share("encoder") == 1
    assert len(report.warnings) == 1 and "holds no discriminator" in report.warnings[0]


@pytest.mark.parametrize("names", [("T1", "FLAIR"), ("FLAIR",)])
def test_a_head_of_other_channels_begins_anew(names):
    first, own = Small(len(names)), Small()
    report = begin_with(source_of(first, names), {"": own}, CHANNELS)
    statuses = {o.name: o.status for o in report.outcomes}
    assert statuses["encoder.weight"] == "adapted"
    assert statuses["decoder.seg_layers.0.weight"] == "fresh head" and "begins anew" in report.warnings[0]


def test_too_little_of_the_first_network_is_refused():
    with pytest.raises(ValueError, match=r"Only 0\.0% of the encoder's parameters"):
        begin_with(source_of(nn.Linear(2, 2)), {"": Small()}, CHANNELS)
    with pytest.raises(ValueError, match=r"Only 0\.0% of the network's parameters"):
        begin_with(source_of(Small()), {"": nn.Sequential(nn.Conv2d(2, 2, 1))}, CHANNELS)


def test_the_record_beside_a_checkpoint_must_be_its_own(tmp_path):
    network, path = Small(), tmp_path / "checkpoint_final.pth"
    arguments = {
        "fold": 0,
        "configuration": "2d_tiny",
        "plans": {"dataset_name": "Dataset991_Tiny"},
        "dataset_json": {},
    }
    torch.save(
        {
            "network_weights": canonical_tensors(network),
            "trainer_name": "nnUNetPretrainerDAE",
            "init_args": arguments,
        },
        path,
    )
    assert read_base(path).record is None
    write_pretrained(tmp_path / "pretrained.safetensors", canonical_tensors(network), make_record())
    assert read_base(path).record == make_record()
    write_pretrained(tmp_path / "pretrained.safetensors", canonical_tensors(network), make_record(fold="3"))
    with pytest.raises(ValueError, match="one of them was copied"):
        read_base(path)
    with pytest.raises(FileNotFoundError, match="names no file"):
        read_base(tmp_path / "none")


def test_all_doubts_are_said_at_once():
    record = make_record(method="MAE", epochs_trained=1)
    architecture = record.architecture
    target = TransferTarget("Dataset991_Tiny", "2d", CHANNELS, record.normalization, (2.0, 2.0), architecture)
    source = dataclasses.replace(
        source_of(Small(), record=record), normalization=record.normalization, spacing=record.spacing
    )
    with pytest.raises(ValueError, match=r"method: expected DAE.*\n.*found 1 of 2 epochs"):
        check_base(source, target, "DAE", False)
    assert len(check_base(source, target, "DAE", True)) == 2
    assert check_base(dataclasses.replace(source, record=make_record()), target, "DAE", False) == []
