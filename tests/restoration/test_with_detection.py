import torch

from nnunet_uad.networks.recipe import PlanRecipe
from nnunet_uad.restoration.frozen import FrozenRestorer, can_rebuild, describe_restorer
from nnunet_uad.restoration.with_detection import WithDetection


class Network(torch.nn.Module):
    """Two channels of half the image, and a logit that is the first channel; counts its calls."""

    calls = 0

    def forward(self, image):
        self.calls += 1
        return torch.cat([image / 2, image[:, :1]], dim=1)


def test_the_last_channel_is_the_probability_and_the_others_the_image():
    network, image = Network(), torch.randn(3, 2, 8, 8)
    restoration = WithDetection()
    assert torch.equal(restoration.reconstruct(network, image, image[:, :0]), image / 2)
    assert torch.equal(restoration.detect(network, image), image[:, :1].sigmoid())


def test_one_call_gives_both():
    network, image = Network(), torch.randn(3, 2, 8, 8)
    restoration = WithDetection()
    both = restoration.reconstruct_and_detect(network, image, image[:, :0])
    assert network.calls == 1
    apart = [restoration.reconstruct(network, image, image[:, :0]), restoration.detect(network, image)]
    assert torch.equal(both, torch.cat(apart, dim=1))


def test_stage_two_takes_the_reconstruction_alone():
    frozen = FrozenRestorer(Network(), WithDetection(), seed=0)
    image = torch.randn(1, 2, 8, 8)
    assert torch.equal(frozen(image), image / 2)


def test_records_describe_it():
    recipe = PlanRecipe("a.Network", {}, (), channels=2, outputs=3)
    assert can_rebuild(recipe, WithDetection())
    assert describe_restorer(recipe, WithDetection())["restoration"] == {"kind": "with_detection"}
