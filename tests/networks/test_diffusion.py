import json
from types import SimpleNamespace

import pytest
import torch
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunet_uad.networks.diffusion import (
    DiffusionNetwork,
    DiffusionRecipe,
    depth_to_space,
    max_levels,
    space_to_depth,
)


@pytest.fixture
def plans(tiny_dataset):
    return PlansManager(json.loads((tiny_dataset / "nnUNetPlans.json").read_text()))


@pytest.mark.parametrize(("configuration", "patch"), [("2d_tiny", (32, 32)), ("3d_tiny", (8, 32, 32))])
@pytest.mark.parametrize("conditioned", [False, True])
def test_an_image_in_an_image_out(plans, configuration, patch, conditioned):
    shape = DiffusionRecipe.of(plans.get_configuration(configuration), 2, conditioned=conditioned)
    network = DiffusionNetwork(shape)
    image, time = torch.randn(2, 2, *patch), torch.tensor([3, 900])
    assert network(image, time, image).shape == image.shape
    if conditioned:
        with pytest.raises(ValueError, match="needs the image"):
            network(image, time)


def test_every_parameter_learns(plans):
    """Unused but trainable parameters stop DDP."""
    network = DiffusionNetwork(DiffusionRecipe.of(plans.get_configuration("2d_tiny"), 2, conditioned=True))
    image = torch.randn(2, 2, 32, 32)
    network(image, torch.tensor([1, 2]), image).sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None] == []


def test_sizes_follow_the_plan(plans):
    manager = plans.get_configuration("3d_tiny")
    shape = DiffusionRecipe.of(manager, 2)
    # 8 x 32 x 32 voxels: the first axis is too short to be folded; two levels keep at least 3 voxels.
    assert shape.stem_stride == (1, 2, 2) and shape.widths == (16, 32)
    assert DiffusionRecipe.of(plans.get_configuration("2d_tiny"), 2).widths == (16, 32, 32)
    assert DiffusionRecipe.of(manager, 2, width=24).widths[0] == 24


def test_thick_slices_are_not_folded():
    manager = SimpleNamespace(
        spacing=(5.0, 1.0, 1.0), patch_size=(12, 64, 64), network_arch_init_kwargs={"features_per_stage": [8]}
    )
    assert DiffusionRecipe.of(manager, 1).stem_stride == (1, 2, 2)


def manager_of(patch, spacing=None):
    arguments = {"features_per_stage": [8]}
    return SimpleNamespace(spacing=spacing or (1.0,) * len(patch), patch_size=patch, network_arch_init_kwargs=arguments)


@pytest.mark.parametrize(
    ("patch", "spacing", "levels", "attention"),
    [
        ((512, 512), None, 3, True),
        ((128, 128, 128), None, 3, True),
        ((160, 192, 160), None, 3, True),
        ((1024, 1024), None, 4, True),
        ((4096, 4096), None, 4, False),
        ((10, 256, 224), (10.0, 1.5, 1.5), 3, True),
    ],
)
def test_attention_has_a_limit(patch, spacing, levels, attention):
    recipe = DiffusionRecipe.of(manager_of(patch, spacing), 1)
    assert (len(recipe.widths), recipe.attention) == (levels, attention)
    # Whoever chooses the levels keeps attention, and with it the names of earlier weights.
    assert DiffusionRecipe.of(manager_of(patch, spacing), 1, levels=2).attention


def test_thin_axes_stop_halving_alone():
    recipe = DiffusionRecipe.of(manager_of((10, 64, 64), (10.0, 1.5, 1.5)), 1, width=8, levels=4)
    assert recipe.strides == ((2, 2, 2), (1, 2, 2), (1, 2, 2))
    content = json.loads(json.dumps(recipe.to_json()))
    assert content.pop("kind") == "diffusion" and DiffusionRecipe.from_json(content) == recipe
    network, grids = recipe.build(), []
    network.unet.middle_block.register_forward_hook(lambda *found: grids.append(tuple(found[2].shape[2:])))
    image = torch.randn(1, 1, 9, 60, 64)
    assert network(image, torch.tensor([5])).shape == image.shape and grids == [(5, 4, 4)]


def test_descriptions_of_earlier_versions_stay_what_they_are(plans):
    content = DiffusionRecipe.of(plans.get_configuration("3d_tiny"), 2).to_json()
    keys = {"kind", "channels", "stem_stride", "widths", "attention", "res_blocks", "condition"}
    assert set(content) == keys


def test_fused_attention_gives_what_written_out_attention_gave():
    network = DiffusionNetwork(DiffusionRecipe(1, (2, 2), (8, 16))).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0, 0.1)
        image, time = torch.randn(2, 1, 32, 32), torch.tensor([5, 700])
        fused = network(image, time)
        attentions = [m for m in network.modules() if hasattr(m, "use_flash_attention")]
        for attention in attentions:
            attention.use_flash_attention = False
        assert attentions and torch.allclose(network(image, time), fused, atol=1e-5)


def test_a_patch_too_small_for_the_depth_is_refused(plans):
    manager = plans.get_configuration("2d_tiny")
    with pytest.raises(ValueError, match=r"32 x 32 voxels is too small .* of 4 levels.*diffusion_levels=3"):
        DiffusionRecipe.of(manager, 2, levels=4)
    tiny = SimpleNamespace(spacing=(1.0, 1.0), patch_size=(4, 4), network_arch_init_kwargs={"features_per_stage": [8]})
    with pytest.raises(ValueError, match="Plan with a larger patch"):
        DiffusionRecipe.of(tiny, 1)
    assert max_levels((96, 96), (2, 2)) == 5


@pytest.mark.parametrize(("size", "stride"), [((6, 8), (2, 2)), ((4, 6, 8), (1, 2, 2)), ((4, 6, 8), (2, 2, 2))])
def test_folding_is_its_own_inverse_and_keeps_blocks(size, stride):
    image = torch.randn(2, 3, *size)
    folded = space_to_depth(image, stride)
    assert torch.equal(depth_to_space(folded, stride), image)
    if len(size) == 2:
        assert torch.equal(folded, torch.nn.functional.pixel_unshuffle(image, 2))


def test_any_size_is_padded_and_cut():
    network = DiffusionNetwork(DiffusionRecipe(1, (2, 2), (8, 16)))
    assert network(torch.randn(1, 1, 21, 30), torch.tensor([5])).shape == (1, 1, 21, 30)
