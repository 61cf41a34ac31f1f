import pytest
import torch

from nnunet_uad.networks.averaged import AveragedNetwork


def test_the_average_by_hand():
    network = AveragedNetwork(torch.nn.Linear(1, 1, bias=False), decay=0.9)
    with torch.no_grad():
        network.online.weight.fill_(1.0)
        network.average.weight.fill_(0.0)
    network.update(step=0)  # min(0.9, 1 / 10)
    assert float(network.average.weight) == pytest.approx(0.9)
    network.update(step=10_000)
    assert float(network.average.weight) == pytest.approx(0.9 * 0.9 + 0.1)


def test_trained_as_the_one_evaluated_as_the_other():
    network = AveragedNetwork(torch.nn.Linear(2, 2), 0.5)
    with torch.no_grad():
        network.online.weight.add_(1.0)
    x = torch.randn(3, 2)
    assert torch.equal(network.train()(x), network.online(x))
    assert torch.equal(network.eval()(x), network.average(x))
    assert not network.train().average.training
    assert not any(p.requires_grad for p in network.average.parameters())
