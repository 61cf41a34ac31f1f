from pathlib import Path

import torch
from peers import CITED, amaes_state, nnssl_file
from safetensors.torch import save_file
from weights_helpers import make_record

from nnunet_uad.weights.passport import passport, passport_lines, unknown
from nnunet_uad.weights.readers import read_weights
from nnunet_uad.weights.record import BaseWeights
from nnunet_uad.weights.safe_file import write_pretrained
from nnunet_uad.weights.source import SourceWeights

SALT = 32 * "1"


def rows_of(path):
    rows = passport(read_weights(path))
    return {row.topic: row.words for row in rows}, unknown(rows)


def written(folder, record):
    write_pretrained(folder / "w.safetensors", {"a": torch.ones(3)}, record)
    return folder / "w.safetensors"


def test_what_a_record_says_is_known(tmp_path):
    record = make_record(licence="MIT", metrics={"map AP": 0.5}, validation_cases=4).with_hidden_names(SALT)
    known, missing = rows_of(written(tmp_path, record))
    assert known["length"] == "2 epochs of 3 steps, 6 steps" and known["went on from"] == "random weights"
    assert known["training cases"] == "2, names as salted hashes, without fingerprints of the images"
    assert (known["plan"], known["patch"], known["spacing"]) == ("nnUNetPlans 2d_tiny", "32 x 32 voxels", "2 x 2 mm")
    assert (known["channels"], known["citation"]) == ("FLAIR, T1", "somebody")
    assert known["validation"] == "map AP 0.500 (4 cases)" and missing == ["data"]


def test_files_of_others_do_not_steer_the_terminal(tmp_path):
    record = make_record(data_statement="\x1b[2Jscans\x1b]0;x\x07", citation="\x1b")
    known, missing = rows_of(written(tmp_path, record))
    assert known["data"] == "[2Jscans ]0;x" and known["citation"] == "" and "citation" in missing
    source = SourceWeights(Path("x"), "nnunet", {}, trainer="a\x1b[31m\nb", citation="z" * 5000)
    lines = passport_lines(source)
    assert "trainer         a [31m b" in lines and max(map(len, lines)) < 2050


def test_what_is_open_is_said(tmp_path):
    base = BaseWeights.chain("b.safetensors", 64 * "a", "nnunet_uad", make_record())
    base = (*base, *BaseWeights.chain("openmind.pth", 64 * "b", "nnssl", None))
    known, missing = rows_of(written(tmp_path, make_record(epochs_trained=1, bases=base)))
    assert "unfinished, 2 epochs were planned" in known["length"] and "names in clear" in known["training cases"]
    assert known["went on from"].startswith(
        "b.safetensors (SHA-256 aaaaaaaaaaaaaaaa…, nnUNetPretrainerDAE on Dataset991"
    )
    assert "nnssl, cases not known" in known["went on from"] and missing == ["validation", "licence", "data"]


def test_a_file_of_nnssl(tmp_path):
    known, missing = rows_of(nnssl_file(tmp_path / "x.pth"))
    assert known["kind"].startswith("checkpoint of nnssl") and known["trainer"] == "BaseMAETrainer"
    assert (known["dataset"], known["plan"]) == ("Dataset745_OpenMind, fold all", "nnsslPlans onemmiso")
    assert known["network"] == "ResidualEncoderUNet, features per stage 4 8 8"
    assert (known["spacing"], known["patch"]) == ("1 x 1 x 1 mm", "32 x 32 x 32 voxels")
    assert (known["channels"], known["citation"]) == ("1, without names", CITED)
    assert known["training cases"].startswith("nobody knows which") and missing == ["licence"]
    assert passport_lines(read_weights(tmp_path / "x.pth"))[-1].endswith(
        "licence (not in the file: look where it came from)"
    )


def test_a_file_of_amaes(tmp_path):
    torch.save(amaes_state(), tmp_path / "x.pth")
    known, missing = rows_of(tmp_path / "x.pth")
    assert known["kind"].startswith("U-Net of AMAES") and "arXiv:2408.00640" in known["citation"]
    assert (known["network"], known["patch"]) == (
        "PlainConvUNet, features per stage 4 8 16 32 64",
        "128 x 128 x 128 voxels",
    )
    assert missing == ["trainer", "dataset", "plan", "length", "licence"]


def test_of_a_bare_file_little_is_known(tmp_path):
    save_file({"a": torch.zeros(3)}, tmp_path / "x.safetensors")
    known, _ = rows_of(tmp_path / "x.safetensors")
    assert {topic for topic, words in known.items() if words} == {"file", "kind", "training cases"}
