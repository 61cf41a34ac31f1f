import json

import pytest
import torch
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunet_uad.networks.recipe import PlanRecipe
from nnunet_uad.networks.tile_autoencoder import TileAutoencoder, decode_without_skips
from nnunet_uad.networks.tiles import cut_tiles


@pytest.fixture(params=["2d_tiny", "3d_tiny"])
def plan_network(request, tiny_dataset):
    plans = PlansManager(json.loads((tiny_dataset / "nnUNetPlans.json").read_text()))
    torch.manual_seed(0)
    manager = plans.get_configuration(request.param)
    return PlanRecipe.of(manager, 2, 2).build(), tuple(manager.patch_size)


def test_no_pixel_outside_a_tile_influences_its_code(plan_network):
    network, patch = plan_network
    grid = (1, 2, 2)[-len(patch) :]
    image = torch.randn(1, 2, *patch, requires_grad=True)
    codes = network.encoder(cut_tiles(image, grid))[-1]
    (gradient,) = torch.autograd.grad(codes[1].square().sum(), image)
    tiles = cut_tiles(gradient.abs(), grid).flatten(1).sum(1)
    assert tiles[1] > 0 and float(tiles.sum() - tiles[1]) == 0


def test_the_decoder_sees_the_whole_image_and_only_through_the_codes(plan_network):
    network, patch = plan_network
    autoencoder = TileAutoencoder(network, (1, 2, 2)[-len(patch) :])
    image = torch.randn(1, 2, *patch, requires_grad=True)
    output = autoencoder(image)
    assert output.shape == image.shape
    # Just beside the border between the tiles: both sides matter.
    middle = (0, 0, *(p // 2 for p in patch))
    (gradient,) = torch.autograd.grad(output[middle], image)
    tiles = cut_tiles(gradient.abs(), autoencoder.grid).flatten(1).sum(1)
    assert bool((tiles > 0).all())


def test_leaving_zeros_out_changes_nothing(plan_network):
    network, patch = plan_network
    features = network.encoder(torch.randn(2, 2, *patch))
    zeros = [torch.zeros_like(f) for f in features[:-1]]
    expected = network.decoder([*zeros, features[-1]])
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert torch.allclose(decode_without_skips(network.decoder, features[-1]), expected, atol=1e-5)
    after = network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(isinstance(p, torch.nn.Parameter) for p in network.decoder.stages[0].convs[0].conv.parameters())


def test_the_weights_carry_the_plans_names(plan_network):
    network, _ = plan_network
    assert set(TileAutoencoder(network, (2, 2)).state_dict()) == set(network.state_dict())
