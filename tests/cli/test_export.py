"""What ``export`` refuses; what ``--stock`` writes is in end_to_end/test_autoencoders.py."""

import dataclasses

import pytest
import tiny
import torch

from nnunet_uad.cli.main import main
from nnunet_uad.weights.readers import read_weights
from nnunet_uad.weights.safe_file import read_pretrained, write_pretrained


def command(trainer, output, *more):
    return ["export", "-d", tiny.NUMBER, "-c", "2d_tiny", "-tr", trainer, "-f", "0", "-o", str(output), *more]


@pytest.mark.parametrize(
    ("trainer", "more", "message"),
    [
        (
            "nnUNetTrainerAuxReconstruction",
            (),
            "-c 2d_tiny -tr nnUNetTrainerAuxReconstruction -f 0 -o",
        ),
        ("nnUNetTrainerNowhere", ("--stock",), "There is no model"),
        (
            "nnUNetPretrainerDAE_2epochs_3iters",
            ("--stock",),
            "learned from images alone and has nothing to segment with",
        ),
        ("nnUNetPretrainerDAE_2epochs_3iters", ("--nnssl",), "holds 2D weights; nnssl and"),
        ("nnUNetPretrainerDAE_2epochs_3iters", ("--nnssl", "-f", "0", "1"), "the weights of one fold, found -f 0 1"),
        ("nnUNetPretrainerDAE_2epochs_3iters", ("--nnssl", "-chk", "checkpoint_best.pth"), "-chk has no effect with"),
        ("nnUNetPretrainerDAE_2epochs_3iters", ("--nnssl", "--keep-names"), "--keep-names has no effect with --nnssl"),
        ("nnUNetPretrainerDAE_2epochs_3iters", ("--nnssl", "-f", "3"), "Pretrain first: nnUNetv2_train 991"),
    ],
)
def test_refusals_leave_no_file(dae_fold, tmp_path, capsys, trainer, more, message):
    assert main(command(trainer, tmp_path / "model.zip", *more)) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_models_with_frozen_parts_are_refused(dae_fold, results, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("nnUNet_uad_restorer", str(dae_fold / "pretrained.safetensors"))
    trainer = "nnUNetTrainerDAEResidual_1epochs_1iters"
    made = tiny.make_trainer(trainer)
    made.run_training()
    assert main(command(trainer, tmp_path / "model.zip", "--stock")) == 1
    assert "is not the plan's own network" in capsys.readouterr().err
    assert main(command(trainer, tmp_path / "model.zip", "--stock", "-f", "3")) == 1
    assert "Train the fold first" in capsys.readouterr().err
    assert not (tmp_path / "model.zip").exists()


def test_a_3d_pretrainer_in_nnssls_form(tiny_dataset, results, tmp_path, capsys):
    trainer = "nnUNetPretrainerDAE_1epochs_1iters"
    fold = tiny.save_untrained(trainer, "3d_tiny")
    made = tiny.make_trainer(trainer, "3d_tiny")
    made.on_train_start()
    tensors, record = read_pretrained(fold / "pretrained.safetensors")
    write_pretrained(
        fold / "pretrained.safetensors", tensors, dataclasses.replace(record, epochs_trained=1, num_epochs=2)
    )
    arguments = ["export", "-d", tiny.NUMBER, "-c", "3d_tiny", "-tr", trainer, "-f", "0", "-o", str(tmp_path / "out")]
    assert main([*arguments, "--nnssl"]) == 0
    out = capsys.readouterr().out
    assert "WARNING: the pretraining is unfinished, 1 of 2 epochs" in out
    assert "nnUNetv2_preprocess_like_nnssl -pc" in out and "nnssl itself cannot rebuild this PlainConvUNet" in out
    back, own = read_weights(tmp_path / "out" / "checkpoint_final.pth"), read_weights(fold / "pretrained.safetensors")
    encoder = [name for name in own.tensors if name.startswith("encoder.")]
    assert encoder and all(torch.equal(back.tensors[name], own.tensors[name]) for name in encoder)
    assert back.spacing == own.spacing == (3, 2, 2)
    # Neither a former export nor, worse, a training is replaced.
    before = (fold / "checkpoint_final.pth").read_bytes()
    for folder in (tmp_path / "out", fold):
        assert main([*arguments, "--nnssl", "-o", str(folder)]) == 1
        assert "holds checkpoint_final.pth" in capsys.readouterr().err
    assert (fold / "checkpoint_final.pth").read_bytes() == before and not (fold / "config.json").exists()
