import json
from pathlib import Path

import pytest
import tiny
import torch

from nnunet_uad.networks.autoencoder_training import AutoencoderOutput, Judgement
from nnunet_uad.pretrain.adversary import Adversarial, AdversarySection


def judgement(real, fake, fooled, penalty=0.0):
    """Two patches count; a third one, which shows background, must not."""
    logits = [torch.tensor([*v, 7.0])[:, None, None] for v in (real, fake, fooled)]
    return Judgement(*logits, torch.tensor(penalty), torch.tensor([True] * len(real) + [False])[:, None, None])


def added(settings, found):
    nothing = torch.zeros(1)
    return Adversarial(settings)(AutoencoderOutput(nothing, nothing, found), nothing, nothing, 0.0)


def test_least_squares_against_hand_worked_values():
    """Discriminator: ((1 − 1)² + (0.5 − 1)²) / 2 and (0² + 0.5²) / 2, halved sum 0.125; autoencoder: (1 − 0.25)²."""
    settings = AdversarySection(adversarial_weight=2.0)
    said = added(settings, judgement([1.0, 0.5], [0.0, 0.5], [0.25, 0.25]))
    assert torch.allclose(said.parts["discriminator"], torch.tensor(0.125))
    assert torch.allclose(said.parts["adversarial"], torch.tensor(0.5625))
    assert torch.allclose(sum(said.summands), torch.tensor(0.125 + 2 * 0.5625))
    assert float(said.parts["real recognised"]) == 0.5 and float(said.parts["fake recognised"]) == 0.5


def test_hinge_against_hand_worked_values():
    """MONAI's hinge reads tanh of the logits: max(0, 1 ∓ tanh)."""
    settings = AdversarySection(adversarial_loss="hinge", adversarial_weight=1.0)
    real, fake, fooled = torch.tensor(0.3).tanh(), torch.tensor(-0.7).tanh(), torch.tensor(-0.7).tanh()
    parts = added(settings, judgement([0.3], [-0.7], [-0.7])).parts
    assert torch.allclose(parts["discriminator"], ((1 - real) + (1 + fake)) / 2)
    assert torch.allclose(parts["adversarial"], 1 - fooled)
    assert float(parts["real recognised"]) == 1.0 and float(parts["fake recognised"]) == 1.0


def test_r1_counts_with_half_gamma():
    settings = AdversarySection(r1_weight=3.0)
    with_penalty = added(settings, judgement([1.0], [0.0], [1.0], 2.0)).parts["discriminator"]
    assert torch.allclose(with_penalty, torch.tensor(3.0))


def concerns(adversary, real, fake, error=1.0):
    return adversary.concerns({"real recognised": real, "fake recognised": fake, "reconstruction": error})


def test_a_discriminator_that_wins_or_guesses_is_reported_after_a_while():
    adversary = Adversarial(AdversarySection())
    for _ in range(2):
        assert not concerns(adversary, 1.0, 1.0)
    assert "recognised more than 99% of real and fake patches for 3 epochs" in concerns(adversary, 1.0, 1.0)[0]
    assert not concerns(adversary, 0.8, 0.9)
    for _ in range(2):
        assert not concerns(adversary, 1.0, 0.0)
    assert (
        "collapsed: for 3 epochs it has recognised 100% of the real and 0% of the fake"
        in (concerns(adversary, 1.0, 0.0)[0])
    )


@pytest.mark.parametrize("error", [2.5, float("nan"), float("inf")])
def test_an_autoencoder_that_diverges_is_reported_at_once(error):
    adversary = Adversarial(AdversarySection())
    assert not concerns(adversary, 0.8, 0.8, 1.0) and not concerns(adversary, 0.8, 0.8, 1.9)
    assert "the autoencoder diverges" in concerns(adversary, 0.8, 0.8, error)[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("adversarial_loss=wgan", "adversarial_loss expects one of least_squares, hinge, found 'wgan'"),
        ("stabiliser=none", "stabiliser expects one of spectral, r1, both"),
        ("discriminator_lr=-1", "discriminator_lr expects at least 0, found -1"),
    ],
)
def test_wrong_settings_are_refused(tiny_dataset, results, monkeypatch, text, message):
    monkeypatch.setenv("nnUNet_uad_settings", text)
    with pytest.raises(ValueError, match=message):
        tiny.make_trainer("nnUNetPretrainerPatchGAN_1epochs_1iters")


def test_the_groups_are_two_optimisers(tiny_dataset, results, monkeypatch):
    """One AdamW of two groups does what two AdamW objects do, and a continued training resumes both."""
    monkeypatch.setenv("nnUNet_uad_settings", "seed=3 stabiliser=r1 discriminator_lr=0.5 learning_rate=0.01")
    trainer = tiny.make_trainer("nnUNetPretrainerAnoVAEGAN_2epochs_2iters")
    trainer.initialize()
    network = trainer.bare_network
    twin = {n: torch.nn.Parameter(p.detach().clone()) for n, p in network.named_parameters()}
    parts = {p: [t for n, t in twin.items() if n.startswith(p)] for p in ("autoencoder", "discriminator")}
    options = {"betas": (0.5, 0.999), "weight_decay": 1e-2}
    separate = [
        torch.optim.AdamW(parts["autoencoder"], 0.01, **options),
        torch.optim.AdamW(parts["discriminator"], 0.005, **options),
    ]
    monkeypatch.setattr(trainer, "_clip_gradients", lambda: None)
    image = torch.randn(4, 2, 32, 32)
    for _ in range(3):
        trainer.train_step({"data": image, "target": torch.ones(4, 1, 32, 32)})
        factor = trainer.optimizer.param_groups[0]["lr"] / 0.01
        for name, parameter in network.named_parameters():
            twin[name].grad = None if parameter.grad is None else parameter.grad.clone()
        for optimizer, rate in zip(separate, (0.01, 0.005), strict=True):
            optimizer.param_groups[0]["lr"] = rate * factor
            optimizer.step()
    for name, parameter in network.named_parameters():
        assert torch.allclose(parameter, twin[name], atol=1e-6), name


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
    assert {"map AP", "residual: map AP", "product: map AP", "intensity:FLAIR AP"} <= set(summary)
    assert summary["map AP"] != summary["residual: map AP"] != summary["product: map AP"]
    for source in ("residual", "product"):
        assert (fold / "validation" / source / f"{tiny.LESION[2]}_map.nii.gz").exists()
