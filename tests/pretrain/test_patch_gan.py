import json
from pathlib import Path

import pytest
import tiny
import torch

from nnunet_uad.pretrain.patch_gan import JudgedReconstruction
from nnunet_uad.restoration.frozen import build_restorer


@pytest.mark.slow
def test_a_continued_training_has_both_optimisers_state(tiny_dataset, results, monkeypatch):
    monkeypatch.setenv("nnUNet_uad_settings", "stabiliser=both adversarial_loss=hinge")
    fold = tiny.run_training("nnUNetPretrainerPatchGAN_2epochs_2iters")
    stored = torch.load(fold / "checkpoint_final.pth", weights_only=True)["optimizer_state"]
    assert [g["name"] for g in stored["param_groups"]] == ["autoencoder", "discriminator"]
    assert all(g["betas"] == (0.5, 0.999) for g in stored["param_groups"])
    trainer = tiny.make_trainer("nnUNetPretrainerPatchGAN_2epochs_2iters", continue_training=True)
    trainer.load_checkpoint(str(fold / "checkpoint_final.pth"))
    now = trainer.optimizer.state_dict()["state"]
    steps = {int(s["step"]) for s in now.values()}
    assert steps == {4} and len(now) == sum(len(g["params"]) for g in stored["param_groups"])
    log = "".join(p.read_text() for p in Path(fold).glob("training_log_*.txt"))
    assert "real recognised" in log and "Receptive field of the discriminator: 16 voxels per axis, 32 x 32 mm." in log
    summary = json.loads((fold / "validation" / "summary.json").read_text())["anomaly"]
    # The map is the discriminator's; residual and product stand beside it.
    assert {"map AP", "residual: map AP", "product: map AP"} <= set(summary)
    assert any(name.startswith("robust_z:FLAIR") and name.endswith(" AP") for name in summary)
    assert summary["map AP"] != summary["residual: map AP"] != summary["product: map AP"]
    for source in ("residual", "product"):
        assert (fold / "validation" / source / f"{tiny.LESION[2]}_map.nii.gz").exists()


@pytest.fixture
def network(make_autoencoder):
    """Both networks, at random."""
    trainer = make_autoencoder("seed=2 view=patch", "PatchGAN")
    trainer.initialize()
    return trainer.restoring(trainer.bare_network).eval()


def test_the_autoencoder_reconstructs_and_the_discriminator_judges_the_image_itself(network):
    image = torch.randn(2, 2, 32, 32)
    restoration = JudgedReconstruction()
    assert restoration.reconstructs and restoration.detects
    restored = restoration.reconstruct(network, image, image[:, :0])
    assert torch.equal(restored, network.autoencoder(image))
    score = restoration.detect(network, image)
    assert torch.equal(score, network.discriminator.unrealness(image)) and score.shape == (2, 1, 32, 32)
    assert not torch.equal(score, network.discriminator.unrealness(restored))


def test_stage_two_gets_the_discriminators_map(network, make_autoencoder):
    """The description builds a frozen network that loads the written weights and says what this one says."""
    trainer = make_autoencoder("seed=2 view=patch", "PatchGAN")
    frozen = build_restorer(json.loads(json.dumps(trainer.description())), seed=0).eval()
    wanted = {n: t for n, t in network.state_dict().items() if n.startswith("discriminator.")}
    frozen.network.load_state_dict(wanted)
    image = torch.randn(2, 2, 32, 32)
    assert torch.equal(frozen(image), network.discriminator.unrealness(image))


def test_the_size_of_what_the_discriminator_sees_follows_the_setting_and_is_said(make_autoencoder):
    trainer = make_autoencoder("receptive_field_mm=100 view=patch", "PatchGAN")
    trainer.on_train_start()
    seen = "Receptive field of the discriminator: 34 voxels per axis, 68 x 68 mm."
    assert seen in Path(trainer.log_file).read_text()
