import json

import pytest

from nnunet_uad.cli.main import main


def test_every_tensor_is_listed_with_shares(dae_fold, capsys):
    assert main(["transfer", str(dae_fold / "pretrained.safetensors"), "-d", "991", "-c", "2d_tiny", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "loaded      encoder  encoder.stages.0.0.convs.0.conv.weight  8x2x3x3" in out
    assert "fresh head  head     decoder.seg_layers.0.weight" in out
    assert "encoder 100.0%, decoder 100.0%" in out


def test_stock_checkpoint_and_json(dae_fold, capsys):
    arguments = ["transfer", str(dae_fold / "checkpoint_final.pth"), "-d", "991", "-c", "2d_tiny", "--json"]
    assert main([*arguments, "--encoder-only"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["kind"] == "nnunet" and content["share"] == pytest.approx(
        {"encoder": 1.0, "decoder": 0.0, "all_but_heads": content["share"]["all_but_heads"]}
    )


def test_unsuitable_weights_exit_with_1(dae_fold, capsys):
    assert main(["transfer", str(dae_fold / "pretrained.safetensors"), "-d", "991", "-c", "3d_tiny"]) == 1
    assert "dimension: expected 3D weights, found 2D" in capsys.readouterr().err
    assert main(["transfer", "/no/file", "-d", "991", "-c", "3d_tiny"]) == 1
