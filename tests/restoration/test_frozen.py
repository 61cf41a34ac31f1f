import json

import pytest
import torch
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunet_uad.networks.diffusion import diffusion_shape
from nnunet_uad.restoration.diffusion import DiffusionProcess
from nnunet_uad.restoration.frozen import build_restorer, describe_diffusion, describe_plan_network, weights_hash


@pytest.fixture(params=["diffusion", "conditioned", "plan"])
def description(request, tiny_dataset):
    plans = PlansManager(json.loads((tiny_dataset / "nnUNetPlans.json").read_text()))
    manager = plans.get_configuration("2d_tiny")
    if request.param == "plan":
        network = describe_plan_network(
            manager.network_arch_class_name,
            manager.network_arch_init_kwargs,
            tuple(manager.network_arch_init_kwargs_req_import),
            2,
        )
        content = {"network": network, "restoration": {"kind": "direct"}}
    else:
        process = DiffusionProcess(manager.spacing, "simplex", 30.0)
        network = describe_diffusion(diffusion_shape(manager, 2, conditioned=request.param == "conditioned"))
        content = {"network": network, "restoration": {"kind": "diffusion", **process.describe()}}
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
    drawn = description["restoration"]["kind"] == "diffusion"
    assert torch.equal(restorer.train()(image), restorer(image)) is not drawn
    restorer.eval()
    assert torch.equal(restorer(image), restorer(image))
    # Of a batch, every image is restored as it would be alone.
    assert torch.allclose(restorer(image)[1:], restorer(image[1:]), atol=1e-5)


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
