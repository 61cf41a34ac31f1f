"""What ``export --stock`` refuses; what it writes is in end_to_end/test_autoencoders.py."""

import pytest
import tiny

from nnunet_uad.cli.main import main


def command(trainer, output, *more):
    return ["export", "-d", tiny.NUMBER, "-c", "2d_tiny", "-tr", trainer, "-f", "0", "-o", str(output), *more]


@pytest.mark.parametrize(
    ("trainer", "more", "message"),
    [
        ("nnUNetTrainerAuxReconstruction", (), "nnUNetv2_export_model_to_zip -d 991 -c 2d_tiny"),
        ("nnUNetTrainerNowhere", ("--stock",), "There is no model"),
        (
            "nnUNetPretrainerDAE_2epochs_3iters",
            ("--stock",),
            "learned from images alone and has nothing to segment with",
        ),
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
