import json
from pathlib import Path

import pytest
import tiny
import torch

from nnunet_uad.trainers.pretrained import PretrainedSettings
from nnunet_uad.trainers.pretrained_residual import PretrainedResidualSettings
from nnunet_uad.trainers.residual import ResidualSettings

NAME = "nnUNetTrainerDAEPretrainedDiffusionResidual_2epochs_2iters"


def test_both_pretrainings_start_as_the_fine_tuned_model(dae_fold, restorer_file, monkeypatch):
    """The first output is that of the DAE-pretrained trainer, whatever the residual is."""
    monkeypatch.setenv("nnUNet_uad_pretrained", str(dae_fold / "pretrained.safetensors"))
    trainers = []
    for name in ("nnUNetTrainerDAEPretrained", "nnUNetTrainerDAEPretrainedDiffusionResidual"):
        trainer = tiny.make_trainer(f"{name}_2epochs_2iters")
        trainer.on_train_start()
        trainers.append(trainer)
    plain, both = trainers
    head = {k: v for k, v in plain.bare_network.state_dict().items() if "seg_layers" in k}
    both.segmenter.load_state_dict(head, strict=False)
    image = torch.randn(2, 2, 32, 32)
    for trainer in trainers:
        trainer.network.eval()
    with torch.no_grad():
        outputs = [t.network(image)[0] for t in trainers]
    assert torch.allclose(*outputs, atol=1e-5)
    report = json.loads((Path(both.output_folder) / "transfer.json").read_text())
    assert report["share"]["all_but_heads"] == 1.0
    assert any("2 further channel(s) start at 0" in t["reason"] for t in report["tensors"])
    assert both.settings.freeze_encoder_epochs == plain.settings.freeze_encoder_epochs


def test_the_defaults_are_those_of_fine_tuning_and_of_the_residual():
    """Where both have a setting, fine-tuning's counts: the encoder starts frozen."""
    both = vars(PretrainedResidualSettings())
    assert both == {**vars(ResidualSettings()), **vars(PretrainedSettings())}
    assert both["freeze_encoder_epochs"] > ResidualSettings().freeze_encoder_epochs


@pytest.mark.parametrize(
    ("finished", "missing"),
    [("DAE", "nnUNetPretrainerDDPM"), ("DDPM", "nnUNetPretrainerDAE"), (None, "nnUNetPretrainerDDPM")],
)
def test_each_pretraining_that_is_missing_is_named(tiny_dataset, results, finished, missing):
    if finished:
        tiny.save_untrained(f"nnUNetPretrainer{finished}_1epochs_1iters")
    with pytest.raises(FileNotFoundError, match=f"No pretrained weights of {missing} for {tiny.DATASET}"):
        tiny.make_trainer(NAME).on_train_start()
