import pytest
import tiny
import torch

from nnunet_uad.networks.autoencoder_training import AutoencoderOutput, Judgement
from nnunet_uad.pretrain.adversary import BETAS
from nnunet_uad.pretrain.ano_vae_gan import AnoVAEGANSettings, AnoVAEGANTask
from nnunet_uad.pretrain.task import Geometry


def test_the_loss_adds_up_reconstruction_divergence_and_both_adversarial_losses():
    """L1 2; KL 48 / (16 · 2 values) · 0.5; discriminator (0² + 1²) / 2; autoencoder (1 − 0.5)² · 0.1."""
    settings = AnoVAEGANSettings(kl_weight=0.5, kl_warmup=0.0, adversarial_weight=0.1)
    task = AnoVAEGANTask(settings, Geometry((2.0, 2.0), (4, 4), (2, 2)))
    clean, inside = torch.zeros(1, 2, 4, 4), torch.ones(1, 1, 4, 4, dtype=torch.bool)
    logits = [torch.full((1, 1, 1, 1), value) for value in (1.0, 1.0, 0.5)]
    judgement = Judgement(*logits, torch.tensor(0.0), torch.ones(1, 1, 1, 1, dtype=torch.bool))
    answer = AutoencoderOutput(clean + 2, torch.tensor([48.0]), judgement)
    result = task.step(lambda image, foreground: answer, clean, inside)
    parts = {name: float(value) for name, value in result.parts.items()}
    assert parts == {
        "reconstruction": 2.0,
        "KL per value": 1.5,
        "adversarial": 0.25,
        "discriminator": 0.5,
        "real recognised": 1.0,
        "fake recognised": 0.0,
    }
    assert float(result.loss) == pytest.approx(2 + 0.5 * 1.5 + 0.1 * 0.25 + 0.5)


def test_a_step_of_a_real_network_reaches_both_and_writes_the_autoencoder_alone(make_autoencoder):
    trainer = make_autoencoder("seed=1", "AnoVAEGAN")
    trainer.on_train_start()
    network = trainer.bare_network
    assert network.autoencoder.recipe.variational
    before = {n: p.detach().clone() for n, p in network.named_parameters()}
    trainer.train_step(next(trainer.dataloader_train))
    for part in ("autoencoder.", "discriminator."):
        moved = [n for n, p in network.named_parameters() if n.startswith(part) and not torch.equal(p, before[n])]
        assert moved, part
    assert trainer.restoring(network) is network.autoencoder
    assert trainer.description()["network"]["kind"] == "autoencoder"
    assert [(g["name"], g["betas"]) for g in trainer.optimizer.param_groups] == [
        ("autoencoder", BETAS),
        ("discriminator", BETAS),
    ]


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
