import pytest
import torch

from nnunet_uad.networks.recipe import PlanRecipe
from nnunet_uad.weights.architecture import Architecture


def test_the_network_that_others_call_by_a_name_has_the_tensors_of_the_published_files():
    """956 tensors, 448 of them of the encoder: what others count in nnFoundation's published ResEncL checkpoint."""
    made = Architecture.of("ResEncL", None, ())
    with torch.device("meta"):
        state = PlanRecipe(made.name, made.arguments, made.requires_import, 1).build().state_dict()
    assert (len(state), sum(name.startswith("encoder.") for name in state)) == (956, 448)
    assert state["encoder.stem.convs.0.conv.weight"].shape == (32, 1, 3, 3, 3)
    assert made.in_words() == "ResEncL, a ResidualEncoderUNet, features per stage 32 64 128 256 320 320"


@pytest.mark.parametrize("name", ["PlainConvUNet", "dynamic_network_architectures.architectures.unet.PlainConvUNet"])
def test_a_class_is_found_by_its_last_part(name):
    made = Architecture.of(name, {"n_stages": 3}, ("conv_op",))
    assert made.name == "dynamic_network_architectures.architectures.unet.PlainConvUNet" and made.is_planned
    assert made.in_plans()["_kw_requires_import"] == ["conv_op"]


def test_transformers_are_no_networks_of_plans():
    made = Architecture.of("PrimusM", None, ())
    assert not made.is_planned and made.in_words() == "PrimusM"
    assert not Architecture.of("PlainConvUNet", None, ()).is_planned
