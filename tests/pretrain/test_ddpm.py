import json
from pathlib import Path

import pytest
import tiny
import torch

from nnunet_uad.weights.safe_file import canonical_tensors, read_pretrained

NAME = "nnUNetPretrainerDDPM_2epochs_3iters"


def test_the_average_is_what_is_written_and_restores(ddpm_fold):
    checkpoint = torch.load(ddpm_fold / "checkpoint_final.pth", weights_only=True)["network_weights"]
    tensors, record = read_pretrained(ddpm_fold / "pretrained.safetensors")
    assert all(torch.equal(t, checkpoint[f"average.{n}"]) for n, t in tensors.items())
    assert any(not torch.equal(t, checkpoint[f"online.{n}"]) for n, t in tensors.items())
    assert record.restorer["restoration"]["times"] == [250, 500, 750]


@pytest.mark.slow
def test_continued_with_average_and_schedule(ddpm_fold, results):
    """Interrupted after an epoch and continued: the average goes on from where it was."""
    trainer = tiny.make_trainer("nnUNetPretrainerDDPM_3epochs_3iters")
    trainer.load_checkpoint(str(ddpm_fold / "checkpoint_final.pth"))
    stored = torch.load(ddpm_fold / "checkpoint_final.pth", weights_only=True)["network_weights"]
    average = canonical_tensors(trainer.bare_network.average)
    assert all(torch.equal(t, stored[f"average.{n}"]) for n, t in average.items())
    assert trainer.current_epoch == 2
    seen = []
    update = trainer.bare_network.update
    trainer.bare_network.update = lambda step: (seen.append(step), update(step))
    trainer.run_training()
    assert seen == [6, 7, 8]


@pytest.mark.slow
def test_the_loss_falls(train_losses):
    settings = "seed=1 diffusion_noise=simplex diffusion_cell_mm=30"
    losses = train_losses("nnUNetPretrainerDDPM_3epochs_25iters", settings)
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["conditioned=true", "ddim_start=100 ddim_steps=2", "test_times=[300]"])
def test_other_forms_train_and_validate(tiny_dataset, results, monkeypatch, setting):
    monkeypatch.setenv("nnUNet_uad_settings", setting)
    fold = tiny.run_training("nnUNetPretrainerDDPM_1epochs_2iters")
    summary = json.loads((fold / "validation" / "summary.json").read_text())
    assert summary["mean"]["MAE_foreground"] > 0


def test_the_same_seed_gives_the_same_weights(tiny_dataset, tmp_path, monkeypatch):
    import numpy as np

    monkeypatch.setenv("nnUNet_uad_settings", "seed=3")
    written = []
    for name in "ab":
        monkeypatch.setenv("nnUNet_results", str(tmp_path / name))
        np.random.seed(0)
        trainer = tiny.make_trainer("nnUNetPretrainerDDPM_1epochs_2iters")
        trainer.run_training()
        written.append(read_pretrained(Path(trainer.output_folder) / "pretrained.safetensors")[0])
    assert all(torch.equal(written[0][n], written[1][n]) for n in written[0])


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("ema_decay=1", r"ema_decay expects a number in \[0, 1\)"),
        ("diffusion_width=6", "multiple of 4"),
        ("diffusion_noise=pink", "coarse, simplex or white"),
        ("test_times=[]", "from 0 to 999"),
        ("diffusion_levels=4", "too small for a diffusion network of 4 levels"),
    ],
)
def test_bad_settings(tiny_dataset, results, monkeypatch, setting, said):
    monkeypatch.setenv("nnUNet_uad_settings", setting)
    with pytest.raises(ValueError, match=said):
        tiny.make_trainer(NAME).initialize()
