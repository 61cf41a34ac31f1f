import torch
from safetensors.torch import save_file
from weights_helpers import make_record

from nnunet_uad.sharing.passport import passport, unknown
from nnunet_uad.weights.readers import read_weights
from nnunet_uad.weights.record import BaseWeights


def rows_of(path):
    rows = passport(read_weights(path))
    return {row.topic: row.words for row in rows}, unknown(rows)


def test_what_a_record_says_is_known(weights):
    known, missing = rows_of(weights(licence="MIT", metrics={"map AP": 0.5}, validation_cases=4))
    assert known["length"] == "2 epochs of 3 steps, 6 steps" and known["went on from"] == "random weights"
    assert known["training cases"] == "2, names as salted hashes, without fingerprints of the images"
    assert known["plan"] == "nnUNetPlans 2d_tiny, patches of 32 x 32 voxels, 2 x 2 mm"
    assert known["validation"] == "map AP 0.500 (4 cases)" and missing == ["data"]


def test_files_of_others_do_not_steer_the_terminal(weights):
    known, missing = rows_of(weights(data_statement="\x1b[2Jscans\x1b]0;x\x07", citation="\x1b"))
    assert known["data"] == "[2Jscans ]0;x" and known["citation"] == "" and "citation" in missing


def test_what_is_open_is_said(weights):
    base = BaseWeights.chain("b.safetensors", 64 * "a", "nnunet_uad", make_record())
    base = (*base, *BaseWeights.chain("openmind.pth", 64 * "b", "nnssl", None))
    known, missing = rows_of(weights(salt="", epochs_trained=1, bases=base))
    assert "unfinished, 2 epochs were planned" in known["length"] and "names in clear" in known["training cases"]
    assert known["went on from"].startswith(
        "b.safetensors (SHA-256 aaaaaaaaaaaaaaaa…, nnUNetPretrainerDAE on Dataset991"
    )
    assert "nnssl, cases not known" in known["went on from"] and missing == ["validation", "licence", "data"]


def test_of_a_file_of_others_little_is_known(tmp_path):
    save_file({"a": torch.zeros(3)}, tmp_path / "x.safetensors")
    known, missing = rows_of(tmp_path / "x.safetensors")
    assert {topic for topic, words in known.items() if words} == {"file"} and len(missing) == len(known) - 1
