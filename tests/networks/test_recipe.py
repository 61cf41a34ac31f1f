import json

import pytest
import torch
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunet_uad.networks.recipe import PlanRecipe


@pytest.mark.parametrize(("configuration", "patch"), [("2d_tiny", (32, 32)), ("3d_tiny", (8, 32, 32))])
@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_in_an_image_out(tiny_dataset, configuration, patch, channels):
    plans = PlansManager(json.loads((tiny_dataset / "nnUNetPlans.json").read_text()))
    network = PlanRecipe.of(plans.get_configuration(configuration), channels, 5).build()
    assert network(torch.zeros(2, channels, *patch)).shape == (2, 5, *patch)
