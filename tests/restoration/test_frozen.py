import json

import pytest
import torch
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunet_uad.networks.diffusion import DiffusionRecipe
from nnunet_uad.networks.recipe import PlanRecipe
from nnunet_uad.networks.tile_autoencoder import TileRecipe
from nnunet_uad.restoration.base import Restoration
from nnunet_uad.restoration.diffusion import DiffusionProcess
from nnunet_uad.restoration.frozen import FrozenRestorer, build_restorer, can_rebuild, describe_restorer, weights_hash
from nnunet_uad.restoration.hidden_blocks import HiddenBlocks
from nnunet_uad.restoration.noisy_copies import NoisyCopies


@pytest.fixture(params=["diffusion", "conditioned", "plan", "tiles", "blocks", "copies"])
def description(request, tiny_dataset):
    plans = PlansManager(json.loads((tiny_dataset / "nnUNetPlans.json").read_text()))
    manager = plans.get_configuration("2d_tiny")
    plan = PlanRecipe.of(manager, 2)
    process = DiffusionProcess(manager.spacing, "simplex", 30.0)
    content = {
        "plan": lambda: describe_restorer(plan, Restoration()),
        "tiles": lambda: describe_restorer(TileRecipe(plan, (2, 2)), Restoration()),
        "blocks": lambda: describe_restorer(plan, HiddenBlocks((8, 8), 3)),
        "copies": lambda: describe_restorer(plan, NoisyCopies(manager.spacing, 2, 14.0, 1.5)),
        "diffusion": lambda: describe_restorer(DiffusionRecipe.of(manager, 2), process),
        "conditioned": lambda: describe_restorer(DiffusionRecipe.of(manager, 2, conditioned=True), process),
    }[request.param]()
    return json.loads(json.dumps(content))


def randomised(restorer):
    """MONAI starts with an output of 0."""
    with torch.no_grad():
        for parameter in restorer.parameters():
            parameter.normal_(0, 0.1)
    return restorer


def test_rebuilt_from_json(description):
    torch.manual_seed(0)
    restorer = randomised(build_restorer(description, seed=4)).eval()
    other = build_restorer(description, seed=4).eval()
    other.load_state_dict(restorer.state_dict())
    image = torch.randn(3, 2, 32, 32)
    restored = restorer(image)
    assert restored.shape == image.shape and restored.abs().sum() > 0
    assert torch.equal(other(image), restored)


def test_frozen(description):
    restorer = build_restorer(description, 0).train()
    assert not any(p.requires_grad for p in restorer.parameters())
    assert not restorer.network.training
    image = torch.randn(1, 2, 32, 32, requires_grad=True)
    assert not restorer(image).requires_grad


def test_noise_is_fresh_in_training_and_fixed_afterwards(description):
    restorer = randomised(build_restorer(description, 0))
    image = torch.randn(2, 2, 32, 32)
    drawn = description["restoration"]["kind"] in ("diffusion", "hidden_blocks", "noisy_copies")
    assert torch.equal(restorer.train()(image), restorer(image)) is not drawn
    restorer.eval()
    assert torch.equal(restorer(image), restorer(image))
    # Of a batch, every image is restored as it would be alone.
    assert torch.allclose(restorer(image)[1:], restorer(image[1:]), atol=1e-5)


def test_a_step_remembers_which_images_were_not_finite_in_its_precision():
    """7e4 is a number in single precision and infinite in half."""
    for mixed in (False, True):
        restorer = FrozenRestorer(torch.nn.Conv2d(1, 1, 1, bias=False), Restoration(), 0).train()
        with torch.no_grad():
            restorer.network.weight.fill_(7e2)
        image = torch.tensor([1.0, 1e2])[:, None, None, None].expand(2, 1, 4, 4)
        with torch.autocast("cpu", torch.float16, enabled=mixed):
            restorer(image)
        assert restorer.finite.tolist() == [True, not mixed]


def test_the_hash_knows_weights_and_description(description):
    restorer = build_restorer(description, 0)
    tensors = dict(restorer.named_parameters())
    before = weights_hash(tensors, description)
    assert weights_hash(tensors, {**description, "x": 1}) != before
    with torch.no_grad():
        next(restorer.parameters()).add_(1e-3)
    assert weights_hash(tensors, description) != before


def test_unknown_kinds_are_refused(description):
    with pytest.raises(ValueError, match="does not know"):
        build_restorer({**description, "restoration": {"kind": "magic"}}, 0)


def test_what_this_package_does_not_know_cannot_be_rebuilt(tiny_dataset):
    """Another package's way of reconstructing trains and makes maps, and its record describes no restorer."""
    plans = PlansManager(json.loads((tiny_dataset / "nnUNetPlans.json").read_text()))
    plan = PlanRecipe.of(plans.get_configuration("2d_tiny"), 2)
    foreign = type("Foreign", (Restoration,), {"kind": "foreign"})
    posing = type("Posing", (Restoration,), {"kind": "direct"})
    assert can_rebuild(plan, Restoration())
    assert not can_rebuild(plan, foreign()) and not can_rebuild(plan, posing())
