import json

import pytest
import tiny
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from nnunet_uad.weights.safe_file import read_pretrained

SCRATCH = "nnUNetTrainerAuxReconstruction_1epochs_2iters"
PRETRAINED = "nnUNetTrainerTAEPretrainedAuxReconstruction_1epochs_2iters"


@pytest.mark.parametrize("weight", [0.0, 0.1, 2.0])
def test_a_step_costs_the_segmentation_and_the_weighted_error(tiny_dataset, results, monkeypatch, weight):
    monkeypatch.setenv("nnUNet_uad_settings", f"reconstruction_weight={weight}")
    trainer = tiny.make_trainer(SCRATCH)
    trainer.on_train_start()
    trainer.on_train_epoch_start()
    batch = next(trainer.dataloader_train)
    answer = trainer.network.train()(batch["data"])
    segmentation = nnUNetTrainer._build_loss(trainer)(answer.segmentation, batch["target"])
    expected = float((segmentation + weight * answer.error).detach())
    assert float(answer.error.detach()) > 0
    assert float(trainer.train_step(batch)["loss"]) == pytest.approx(expected, rel=1e-5)


def test_the_validation_measures_the_segmentation_alone(tiny_dataset, results, monkeypatch):
    monkeypatch.setenv("nnUNet_uad_settings", "reconstruction_weight=100")
    trainer = tiny.make_trainer(SCRATCH)
    trainer.on_train_start()
    trainer.network.eval()
    batch = next(trainer.dataloader_val)
    with torch.no_grad():
        expected = nnUNetTrainer._build_loss(trainer)(trainer.network(batch["data"]), batch["target"])
    assert float(trainer.validation_step(batch)["loss"]) == pytest.approx(float(expected), rel=1e-5)


def test_the_pretrained_decoder_starts_both_decoders(tiny_dataset, results):
    tensors, _ = read_pretrained(tiny.save_untrained("nnUNetPretrainerTAE_1epochs_1iters") / "pretrained.safetensors")
    trainer = tiny.make_trainer(PRETRAINED)
    trainer.on_train_start()
    network = dict(trainer.bare_network.named_parameters())
    decoder = {n: t for n, t in tensors.items() if n.startswith("decoder.") and "seg_layers" not in n}
    assert decoder
    for name, tensor in decoder.items():
        assert torch.equal(network[name], tensor)
        assert torch.equal(network[f"branch.{name.removeprefix('decoder.')}"], tensor)
    report = json.loads(open(f"{trainer.output_folder}/transfer.json").read())
    loaded = {t["name"] for t in report["tensors"] if t["status"] == "loaded"}
    # The branch reconstructs what was pretrained, so its head comes along; the segmentation's head is new.
    heads = {n for n in loaded if "seg_layers" in n}
    assert heads and all(n.startswith("branch.") for n in heads)


def test_a_negative_weight_is_refused(tiny_dataset, results, monkeypatch):
    monkeypatch.setenv("nnUNet_uad_settings", "reconstruction_weight=-0.1")
    for name in (SCRATCH, PRETRAINED):
        with pytest.raises(ValueError, match="reconstruction_weight expects a number in .0, 1000., found -0.1"):
            tiny.make_trainer(name)
