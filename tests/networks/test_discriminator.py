import json

import pytest
import torch
from torch import nn

from nnunet_uad.networks.discriminator import (
    DiscriminatorRecipe,
    PatchwiseDiscriminator,
    UnrealnessMap,
    choose_layers,
    gradient_penalty,
    receptive_field,
)


@pytest.mark.parametrize(("axes", "layers", "size"), [(2, 1, 40), (2, 2, 60), (2, 3, 120), (3, 1, 26)])
def test_an_output_sees_exactly_the_stated_receptive_field(axes, layers, size):
    torch.manual_seed(0)
    network = PatchwiseDiscriminator(axes, 2, 4, layers, spectral=False, criterion="hinge").double()
    image = torch.randn(1, 2, *(size,) * axes, dtype=torch.float64, requires_grad=True)
    logits = network(image)
    middle = tuple(n // 2 for n in logits.shape[2:])
    (gradient,) = torch.autograd.grad(logits[(0, 0, *middle)], image)
    seen = gradient.abs().sum((0, 1))
    for axis in range(axes):
        line = seen.sum(tuple(a for a in range(axes) if a != axis)).nonzero()[:, 0]
        first, last = int(line[0]), int(line[-1])
        assert last - first + 1 == receptive_field(layers)
        # Its centre is where the map is put together from.
        assert (first + last) / 2 == 1.5 * 2**layers - 0.5 + middle[axis] * 2**layers


@pytest.mark.parametrize(("axes", "layers", "size"), [(2, 1, (41, 64)), (2, 2, (47, 50)), (3, 1, (26, 17, 20))])
def test_an_outputs_cell_lies_at_its_centre(axes, layers, size):
    """As many cells as outputs; each is the block around the place that the map is put together from."""
    network = PatchwiseDiscriminator(axes, 1, 4, layers, spectral=False, criterion="hinge")
    mask, chosen = torch.zeros(1, 1, *size, dtype=torch.bool), (2,) * axes
    centre = 1.5 * 2**layers - 0.5 + 2 * 2**layers
    block = slice(int(centre + 0.5) - 2 ** (layers - 1), int(centre + 0.5) + 2 ** (layers - 1))
    mask[(0, 0, *(block,) * axes)] = True
    share = network.share_of_cells(mask)
    assert share.shape == network(mask.float()).shape
    assert float(share[(0, 0, *chosen)]) == 1 and float(share.sum()) == 1


def test_behind_a_low_pass_sharpness_is_no_cue():
    torch.manual_seed(0)
    recipe = DiscriminatorRecipe(2, 1, 8, 1, True, "hinge")
    coarse = torch.randn(1, 1, 8, 8).repeat_interleave(8, 2).repeat_interleave(8, 3)
    sharp = coarse + torch.randn(1, 1, 64, 64)
    told = []
    for blur in ((), (2.0, 2.0)):
        torch.manual_seed(1)
        network = DiscriminatorRecipe(**{**vars(recipe), "blur": blur}).discriminator().eval()
        with torch.no_grad():
            told.append(float((network(sharp) - network(coarse)).abs().mean() / network(coarse).std()))
    assert told[1] < told[0] / 3


def test_a_recipe_survives_json_with_its_low_pass_and_from_before_there_was_one():
    recipe = DiscriminatorRecipe(2, 2, 8, 1, True, "hinge", (1.0, 0.5))
    content = json.loads(json.dumps(recipe.to_json()))
    assert content.pop("kind") == "discriminator" and DiscriminatorRecipe.from_json(content) == recipe
    old = {"axes": 2, "channels": 2, "width": 8, "layers": 1, "spectral": True, "criterion": "hinge"}
    without = DiscriminatorRecipe.from_json(old)
    assert without.blur == () and without.to_json() == {"kind": "discriminator", **old}
    # Weights are those of either.
    without.build().load_state_dict(recipe.build().state_dict())


@pytest.mark.parametrize("layers", [1, 2])
def test_the_distance_of_features_is_where_the_images_differ(layers):
    torch.manual_seed(0)
    network = PatchwiseDiscriminator(2, 2, 8, layers, spectral=True, criterion="hinge").eval()
    image = torch.randn(1, 2, 64, 48)
    other = image.clone()
    other[:, :, 30:36, 20:26] += 3
    with torch.no_grad():
        assert not network.distance(image, image).any()
        found = network.distance(image, other)
        assert found.shape == (1, 1, 64, 48) and torch.equal(found, network.distance(other, image))
    peak = [int(i) for i in torch.unravel_index(found[0, 0].argmax(), (64, 48))]
    assert 28 <= peak[0] < 38 and 18 <= peak[1] < 28
    far = 3 * receptive_field(layers) // 4
    assert not found[..., : max(0, 30 - far), :].any()


def test_receptive_fields_of_the_literature():
    assert [receptive_field(n) for n in (1, 2, 3)] == [16, 34, 70]


def test_layers_follow_millimetres_and_the_patch():
    assert choose_layers(32, (2.0, 2.0), (96, 96)) == 1
    assert choose_layers(32, (1.0, 1.0), (192, 160)) == 2
    assert choose_layers(70, (5.0, 1.0, 1.0), (48, 192, 192)) == 3
    assert choose_layers(500, (1.0, 1.0), (12, 12)) == 2
    with pytest.raises(ValueError, match="5 x 96 voxels is too small for a patch-wise discriminator"):
        choose_layers(32, (1.0, 1.0), (5, 96))


@pytest.mark.parametrize("criterion", ["least_squares", "hinge"])
def test_the_map_is_interpolated_between_the_outputs(criterion):
    torch.manual_seed(0)
    network = PatchwiseDiscriminator(2, 1, 4, 1, spectral=True, criterion=criterion).eval()
    image = torch.randn(2, 1, 20, 24)
    unreal = UnrealnessMap(network)(image).detach()
    assert unreal.shape == (2, 1, 20, 24) and float(unreal.min()) > 0 and float(unreal.max()) < 1
    logits = network(image)
    at_outputs = torch.sigmoid(4 * (0.5 - logits) if criterion == "least_squares" else -2 * logits)
    # Outputs lie at voxels 2.5, 4.5, …: voxels 3 and 4 are a quarter and three quarters of the way.
    row = at_outputs[:, :, 0] * 0.75 + at_outputs[:, :, 1] * 0.25
    assert torch.allclose(unreal[:, :, 3, 3], row[..., 0] * 0.75 + row[..., 1] * 0.25, atol=1e-6)
    assert torch.allclose(unreal[:, :, 0, 0], at_outputs[:, :, 0, 0], atol=1e-6)


def test_what_looks_real_scores_low():
    network = PatchwiseDiscriminator(2, 1, 4, 1, spectral=False, criterion="least_squares")
    for parameter in network.parameters():
        parameter.data.zero_()
    for decision, expected in ((1.0, 0.1192), (0.5, 0.5), (0.0, 0.8808)):
        network.network.final_conv.conv.bias.data.fill_(decision)
        assert torch.allclose(network.unrealness(torch.randn(1, 1, 12, 12)), torch.tensor(expected), atol=1e-4)


def test_gradient_penalty_against_a_hand_worked_value():
    """D(x) = 3 · x₁ + … at two outputs: gradient 3 at each of 8 pixels, 8 · 9 / 2 outputs = 36."""
    network = nn.Conv1d(1, 1, 4, stride=4, bias=False)
    network.weight.data.fill_(3.0)
    penalty = gradient_penalty(network, torch.randn(5, 1, 8))
    assert torch.allclose(penalty, torch.tensor(36.0))
    penalty.backward()
    # d/dw of 4 w² summed over the kernel's four taps, two outputs sharing it: 2 · w per tap.
    assert torch.allclose(network.weight.grad, torch.full((1, 1, 4), 6.0))


def test_spectral_normalisation_bounds_every_convolution():
    torch.manual_seed(0)
    network = PatchwiseDiscriminator(2, 1, 8, 2, spectral=True, criterion="hinge")
    for _ in range(50):
        network(torch.randn(1, 1, 16, 16))
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            assert torch.linalg.matrix_norm(module.weight.detach().flatten(1), 2) < 1.02
