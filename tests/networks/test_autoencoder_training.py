import json

import pytest
import torch
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunet_uad.networks.autoencoder_training import AutoencoderTraining
from nnunet_uad.networks.discriminator import PatchwiseDiscriminator
from nnunet_uad.networks.spatial_autoencoder import AutoencoderRecipe, SpatialAutoencoder


def build(tiny_dataset, variational=False, discriminator=True, penalise=False, spectral=True):
    manager = PlansManager(json.loads((tiny_dataset / "nnUNetPlans.json").read_text())).get_configuration("2d_tiny")
    torch.manual_seed(0)
    autoencoder = SpatialAutoencoder(AutoencoderRecipe.of(manager, 2, 4, 0, variational))
    opponent = PatchwiseDiscriminator(2, 2, 8, 1, spectral, "least_squares") if discriminator else None
    return AutoencoderTraining(autoencoder, opponent, penalise)


IMAGE = torch.randn(3, 2, 32, 32, generator=torch.Generator().manual_seed(1))
INSIDE = torch.zeros(3, 1, 32, 32, dtype=torch.bool)
INSIDE[:, :, 4:28, 4:28] = True


def gradients(module):
    return sum(float(p.grad.abs().sum()) for p in module.parameters() if p.grad is not None)


@pytest.mark.parametrize("spectral", [True, False])
def test_each_loss_reaches_one_network(tiny_dataset, spectral):
    training = build(tiny_dataset, spectral=spectral)
    training(IMAGE, INSIDE).judgement.fooled.mean().backward()
    assert gradients(training.autoencoder) > 0 and gradients(training.discriminator) == 0
    training.zero_grad()
    found = training(IMAGE, INSIDE).judgement
    (found.fake.mean() - found.real.mean()).backward()
    assert gradients(training.discriminator) > 0 and gradients(training.autoencoder) == 0


def test_frozen_or_not_the_discriminator_says_the_same(tiny_dataset):
    training = build(tiny_dataset).eval()
    judgement = training(IMAGE, INSIDE).judgement
    assert torch.allclose(judgement.fake, judgement.fooled, atol=1e-6)


def test_background_tells_the_discriminator_nothing(tiny_dataset):
    training = build(tiny_dataset).eval()
    judgement = training(IMAGE, torch.zeros_like(INSIDE)).judgement
    assert torch.allclose(judgement.real, judgement.fake, atol=1e-6)


def test_the_penalty_is_computed_where_gradients_are(tiny_dataset):
    training = build(tiny_dataset, penalise=True)
    penalty = training(IMAGE, INSIDE).judgement.penalty
    assert float(penalty.detach()) > 0
    penalty.backward()
    assert gradients(training.discriminator) > 0 and gradients(training.autoencoder) == 0
    with torch.no_grad():
        assert float(training.eval()(IMAGE, INSIDE).judgement.penalty) == 0


def test_a_code_is_drawn_in_training_only(tiny_dataset):
    training = build(tiny_dataset, variational=True, discriminator=False)
    drawn = [training.train()(IMAGE, INSIDE) for _ in range(2)]
    assert not torch.equal(drawn[0].output, drawn[1].output) and drawn[0].judgement is None
    assert bool((drawn[0].kl > 0).all()) and drawn[0].kl.shape == (3,)
    fixed = training.eval()(IMAGE, INSIDE)
    assert torch.equal(fixed.output, training.autoencoder(IMAGE))
    assert torch.equal(build(tiny_dataset, discriminator=False)(IMAGE, INSIDE).kl, torch.zeros(3))


def test_against_lesions_the_discriminator_alone_learns(tiny_dataset):
    training = build(tiny_dataset)
    lesion = torch.zeros(3, 1, 32, 32, dtype=torch.bool)
    lesion[1, :, 12:20, 12:20] = True
    lesioned = torch.where(lesion, IMAGE + 2, IMAGE)
    found = training(IMAGE, INSIDE, lesioned, lesion)
    (found.lesioned.mean() - found.healthy.mean()).backward()
    assert gradients(training.discriminator) > 0 and gradients(training.autoencoder) == 0
    # A gradient it is, though: DDP waits for one of every weight.
    assert all(p.grad is not None for p in training.autoencoder.parameters())
    assert torch.equal(found.output, training.eval().autoencoder(IMAGE))
    shown = torch.where(INSIDE, found.output, IMAGE)
    assert torch.allclose(found.healthy, training.discriminator(torch.cat([IMAGE, shown])), atol=1e-4)
    assert found.lesion.shape == found.inside.shape == found.lesioned.shape
    assert not found.lesion[[0, 2]].any() and float(found.lesion[1].sum()) * 4 == 64


def test_statistics_of_the_autoencoder_stay_as_they_are_against_lesions(tiny_dataset):
    """As a plan with batch normalisation has them."""
    training = build(tiny_dataset)
    training.autoencoder.generator.append(torch.nn.BatchNorm2d(2))
    training.train()(IMAGE, INSIDE, IMAGE, INSIDE)
    assert int(training.autoencoder.generator[-1].num_batches_tracked) == 0
    training.train()(IMAGE, INSIDE)
    assert int(training.autoencoder.generator[-1].num_batches_tracked) == 1
