import json

import pytest
import torch
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from torch.distributions import Normal
from torch.distributions import kl_divergence as reference_kl

from nnunet_uad.networks.spatial_autoencoder import AutoencoderRecipe, SpatialAutoencoder, kl_divergence


def manager(tiny_dataset, configuration="2d_tiny", encoder="PlainConvUNet", **changes):
    plans = json.loads((tiny_dataset / "nnUNetPlans.json").read_text())
    architecture = plans["configurations"][configuration]["architecture"]
    if encoder == "ResidualEncoderUNet":
        architecture["network_class_name"] = architecture["network_class_name"].replace("PlainConvUNet", encoder)
        architecture["arch_kwargs"]["n_blocks_per_stage"] = [1, 2, 2]
        del architecture["arch_kwargs"]["n_conv_per_stage"]
    found = PlansManager(plans).get_configuration(configuration)
    return ConfigurationManager({**found.configuration, **changes})


@pytest.mark.parametrize("encoder", ["PlainConvUNet", "ResidualEncoderUNet"])
@pytest.mark.parametrize(("configuration", "variational"), [("2d_tiny", True), ("3d_tiny", False)])
def test_only_the_code_reaches_the_decoder_and_all_of_the_encoder_learns(
    tiny_dataset, configuration, variational, encoder
):
    plan = manager(tiny_dataset, configuration, encoder)
    torch.manual_seed(0)
    network = SpatialAutoencoder(AutoencoderRecipe.of(plan, 2, 4, 0, variational))
    image = torch.randn(2, 2, *plan.patch_size)
    mean, log_variance = network.encode(image)
    assert (log_variance is not None) == variational and mean.shape[1] == 4
    assert torch.equal(network(image), network.generator(mean))
    assert network(image).shape == image.shape
    network(image).square().sum().backward()
    # Gradients reach every stage, also those below the code's grid.
    for stage in network.encoder.stages:
        assert any(p.grad is not None and float(p.grad.abs().sum()) > 0 for p in stage.parameters())


@pytest.mark.parametrize(
    ("patch", "wanted", "stage"),
    [((32, 32), 0, 2), ((64, 64), 0, 2), ((32, 32), 16, 1), ((32, 32), 32, 1), ((96, 32), 0, 2)],
)
def test_the_stage_whose_grid_is_nearest_is_taken(tiny_dataset, patch, wanted, stage):
    assert AutoencoderRecipe.of(manager(tiny_dataset, patch_size=patch), 2, 8, wanted, False).stage == stage


def test_a_code_larger_than_the_image_is_refused(tiny_dataset):
    with pytest.raises(ValueError, match=r"code_size=40 is larger than the image of 32 x 32 voxels.* at most 16"):
        AutoencoderRecipe.of(manager(tiny_dataset), 2, 8, 40, False)


def test_an_encoder_that_never_reduces_is_refused(tiny_dataset):
    plan = manager(tiny_dataset)
    architecture = json.loads(json.dumps(plan.configuration["architecture"]))
    architecture["arch_kwargs"]["strides"] = [[1, 1]] * 3
    with pytest.raises(ValueError, match="never reduces the image"):
        AutoencoderRecipe.of(manager(tiny_dataset, architecture=architecture), 2, 8, 0, False)


def test_kl_against_hand_worked_values_and_torch():
    zero = torch.zeros(3, 2, 4, 4)
    assert torch.equal(kl_divergence(zero, zero), torch.zeros(3))
    # mean 2: 2² / 2 = 2 per position; variance e: (e − 1 − 1) / 2.
    assert torch.allclose(kl_divergence(zero + 2, zero), torch.full((3,), 2.0 * 32))
    assert torch.allclose(kl_divergence(zero, zero + 1), torch.full((3,), (torch.e - 2) / 2 * 32))
    mean, log_variance = torch.randn(2, 3, 2, 4, 4)
    expected = reference_kl(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)).flatten(1).sum(1)
    assert torch.allclose(kl_divergence(mean, log_variance), expected, rtol=1e-4)
