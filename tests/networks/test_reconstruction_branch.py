import json

import pytest
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunet_uad.networks.reconstruction_branch import AuxiliaryLoss, SegmentationAndError, stock_weights
from nnunet_uad.trainers.aux_reconstruction import nnUNetTrainerAuxReconstruction


@pytest.fixture(params=["2d_tiny", "3d_tiny"])
def networks(request, tiny_dataset):
    """With the branch and without, and the patch."""
    plans = PlansManager(json.loads((tiny_dataset / "nnUNetPlans.json").read_text()))
    manager = plans.get_configuration(request.param)
    torch.manual_seed(0)
    mine = nnUNetTrainerAuxReconstruction.build_network_architecture(plans, manager, 2, 3, True)
    stock = nnUNetTrainer.build_network_architecture(plans, manager, 2, 3, True)
    return mine, stock, tuple(manager.patch_size)


def test_without_the_branch_it_is_the_stock_network(networks):
    mine, stock, patch = networks
    stock.load_state_dict(stock_weights(mine.state_dict()))
    image = torch.randn(2, 2, *patch)
    for a, b in zip(mine.eval()(image), stock.eval()(image), strict=True):
        assert torch.equal(a, b)


def test_the_branch_reads_the_deepest_features_and_teaches_the_encoder(networks):
    mine, _, patch = networks
    image = torch.randn(2, 2, *patch)
    found = mine.train()(image)
    assert isinstance(found, SegmentationAndError) and isinstance(found.segmentation, list)
    found.error.backward()
    assert all(float(p.grad.abs().sum()) > 0 for p in mine.encoder.stages[-1].parameters() if p.ndim > 1)
    assert all(p.grad is None for p in mine.decoder.parameters() if not any(p is q for q in mine.encoder.parameters()))


def test_background_does_not_count(networks):
    mine, _, patch = networks
    for parameter in mine.branch.seg_layers[-1].parameters():
        parameter.data.zero_()
    image = torch.zeros(1, 2, *patch)
    image[..., :4] = 3.0
    # The branch says 0 everywhere: the error is 3² inside, and background would lower it.
    assert torch.allclose(mine.train()(image).error, torch.tensor(9.0))


def test_the_loss_is_the_weighted_sum():
    loss = AuxiliaryLoss(torch.nn.MSELoss(), 0.5)
    output, target = torch.tensor([1.0, 3.0]), torch.tensor([1.0, 1.0])
    assert float(loss(output, target)) == 2.0
    assert float(loss(SegmentationAndError(output, torch.tensor(4.0)), target)) == 4.0
