import pytest
import tiny
import torch

from nnunet_uad.networks.autoencoder_training import AutoencoderOutput, Judgement
from nnunet_uad.pretrain.adversary import CRITERIA, LOSSES, Adversarial, AdversarySection


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


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("real", [True, False])
def test_the_losses_are_monais_bit_for_bit(criterion, real):
    from monai.losses import PatchAdversarialLoss

    theirs = PatchAdversarialLoss(criterion=criterion, no_activation_leastsq=True)
    first = (torch.randn(3, 1, 7, 5, generator=torch.Generator().manual_seed(1)) * 8).requires_grad_()
    second = first.detach().clone().requires_grad_()
    mine, expected = LOSSES[criterion](first, real), theirs(second, real, True)
    mine.backward()
    expected.backward()
    assert torch.equal(mine, expected) and torch.equal(first.grad, second.grad)


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
        ("discriminator_lr=-1", "discriminator_lr expects a number in \\[0, 100\\], found -1"),
    ],
)
def test_wrong_settings_are_refused(tiny_dataset, results, monkeypatch, text, message):
    monkeypatch.setenv("nnUNet_uad_settings", text)
    with pytest.raises(ValueError, match=message):
        tiny.make_trainer("nnUNetPretrainerPatchGAN_1epochs_1iters")
