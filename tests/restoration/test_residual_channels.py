import json

import pytest
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunet_uad.networks.diffusion import DiffusionRecipe
from nnunet_uad.networks.discriminator import DiscriminatorRecipe
from nnunet_uad.restoration.base import Restoration
from nnunet_uad.restoration.diffusion import DiffusionProcess
from nnunet_uad.restoration.frozen import describe_restorer
from nnunet_uad.restoration.residual_channels import build_residual_network


@pytest.fixture(params=["PlainConvUNet", "ResidualEncoderUNet"])
def plans(request, tiny_dataset):
    plans = json.loads((tiny_dataset / "nnUNetPlans.json").read_text())
    if request.param == "ResidualEncoderUNet":
        for configuration in ("2d_tiny", "3d_tiny"):
            architecture = plans["configurations"][configuration]["architecture"]
            architecture["network_class_name"] = architecture["network_class_name"].replace(
                "PlainConvUNet", "ResidualEncoderUNet"
            )
            architecture["arch_kwargs"]["n_blocks_per_stage"] = [1, 2, 2]
            del architecture["arch_kwargs"]["n_conv_per_stage"]
    return PlansManager(plans)


def build(plans, configuration="2d_tiny", kinds=("signed",), form="channels"):
    manager = plans.get_configuration(configuration)
    process = DiffusionProcess(manager.spacing)
    description = {
        **describe_restorer(DiffusionRecipe.of(manager, 2), process),
        "kinds": list(kinds),
        "form": form,
        "seed": 0,
    }
    torch.manual_seed(0)
    stock = []

    def segmenter(channels):
        network = nnUNetTrainer.build_network_architecture(plans, manager, channels, 3, True)
        stock.append(network)
        return network

    network = build_residual_network(json.loads(json.dumps(description)), 2, segmenter)
    for parameter in network.restorer.parameters():
        torch.nn.init.normal_(parameter, 0, 0.1)
    return network, stock[0]


@pytest.mark.parametrize(
    ("kinds", "form"),
    [(("signed",), "channels"), (("signed", "absolute", "reconstruction"), "channels"), (("signed",), "siamese")],
)
@pytest.mark.parametrize(("configuration", "patch"), [("2d_tiny", (32, 32)), ("3d_tiny", (8, 32, 32))])
def test_at_first_the_residual_changes_nothing(plans, kinds, form, configuration, patch):
    """New weights start at 0: the function is that of the network without residual channels."""
    network, _ = build(plans, configuration, kinds, form)
    image = torch.randn(2, 2, *patch)
    before = network.eval()(image)
    for parameter in network.restorer.parameters():
        parameter.mul_(-3.0)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(before, network(image), strict=True))
    network.train()(image)[0].sum().backward()
    if form == "channels":
        stem = next(p for n, p in network.segmenter.named_parameters() if p.ndim >= 4)
        assert stem.shape[1] == 2 * (1 + len(kinds)) and stem.grad[:, 2:].abs().sum() > 0
    else:
        assert all(layer.weight.grad.abs().sum() > 0 for layer in network.segmenter.fuse)


def test_the_siamese_network_starts_as_the_plans_network(plans):
    network, stock = build(plans, form="siamese")
    image = torch.randn(2, 2, 32, 32)
    with torch.no_grad():
        expected = stock.decoder(stock.encoder(image))
        assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(network(image), expected, strict=True))


def test_channels_by_hand(plans):
    network, _ = build(plans, kinds=("signed", "absolute", "reconstruction"))
    network.eval()
    image = torch.randn(1, 2, 32, 32)
    image[:, :, :5] = 0
    restored = network.restorer(image)
    further = network.further_channels(image)
    inside = (image != 0).any(1, keepdim=True)
    expected = torch.cat([image - restored, (image - restored).abs(), restored], 1) * inside
    assert torch.equal(further, expected) and not further[:, :, :5].any()


def test_images_of_other_channels_are_refused(plans):
    network, _ = build(plans)
    with pytest.raises(ValueError, match=r"expects images of 2 channel\(s\), found 4.*give it the images alone"):
        network(torch.zeros(1, 4, 32, 32))


@pytest.mark.parametrize(
    ("kinds", "form"), [(["signed"], "channels"), (["signed", "absolute"], "channels"), (["signed"], "siamese")]
)
def test_a_discriminator_has_no_residual(plans, kinds, form):
    manager = plans.get_configuration("2d_tiny")
    recipe = DiscriminatorRecipe(2, 2, 8, 1, True, "hinge")
    description = {**describe_restorer(recipe, Restoration()), "kinds": kinds, "form": form, "seed": 0}

    def segmenter(channels):
        return nnUNetTrainer.build_network_architecture(plans, manager, channels, 3, True)

    with pytest.raises(ValueError, match=f"expected the channel score, found {', '.join(kinds)}.*PatchGANScore"):
        build_residual_network(description, 2, segmenter)
    network = build_residual_network({**description, "kinds": ["score"], "form": "channels"}, 2, segmenter)
    assert network.further_channels(torch.randn(1, 2, 32, 32)).shape == (1, 1, 32, 32)
