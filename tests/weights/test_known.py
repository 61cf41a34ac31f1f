from pathlib import Path

from peers import CITED, nnssl_file
from weights_helpers import make_record

from nnunet_uad.weights.known import known
from nnunet_uad.weights.readers import read_weights
from nnunet_uad.weights.safe_file import write_pretrained
from nnunet_uad.weights.source import SourceWeights


def test_nnssls_file(tmp_path):
    words = known(read_weights(nnssl_file(tmp_path / "x.pth")))
    assert words["network"] == "ResidualEncoderUNet, features per stage 4 8 8"
    assert words["trained on"] == "Dataset745_OpenMind, nnsslPlans, onemmiso, fold all"
    assert words["spacing"] == "1 x 1 x 1 mm" and words["patch"] == "32 x 32 x 32 voxels"
    assert words["channels"] == "1, without names" and words["please cite"] == CITED
    assert "look where it came from" in words["licence"]


def test_a_record(tmp_path):
    import torch

    write_pretrained(tmp_path / "x.safetensors", {"a": torch.ones(1)}, make_record())
    words = known(read_weights(tmp_path / "x.safetensors"))
    assert words["channels"] == "FLAIR, T1" and words["please cite"] == "somebody"
    assert words["normalisation"] == "ZScoreNormalization"


def test_unknown_is_said_and_control_characters_are_not_shown():
    words = known(SourceWeights(Path("x"), "nnunet", {}, trainer="a\x1b[31m\nb", citation="z" * 2000))
    assert words["spacing"] == words["network"] == "not in the file"
    assert words["written by"] == "a [31m b" and len(words["please cite"]) == 601
