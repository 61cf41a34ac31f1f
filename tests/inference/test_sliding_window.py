import json

import numpy as np
import pytest
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunet_uad.inference.model_plan import ModelPlan
from nnunet_uad.inference.sliding_window import Window, reconstruct_volume
from nnunet_uad.networks.recipe import PlanRecipe


@pytest.fixture
def plans(tiny_dataset):
    return PlansManager(json.loads((tiny_dataset / "nnUNetPlans.json").read_text()))


@pytest.fixture
def dataset_json(tiny_dataset):
    return json.loads((tiny_dataset / "dataset.json").read_text())


@pytest.mark.parametrize("configuration", ["2d_tiny", "3d_tiny"])
@pytest.mark.parametrize("mirror", [None, (0, 1)])
def test_a_pointwise_restorer_is_reproduced_at_any_size(plans, dataset_json, configuration, mirror, capsys):
    """Tiles, batches, padding, mirroring and the extra channel must all line up."""
    rng = np.random.default_rng(0)
    image = rng.standard_normal((2, 11, 45, 29)).astype(np.float32)
    extra = rng.standard_normal((1, 11, 45, 29)).astype(np.float32)
    out = reconstruct_volume(
        image,
        extra,
        lambda x, e: 2 * x + e,
        Window(ModelPlan(plans, plans.get_configuration(configuration), dataset_json), mirror, torch.device("cpu")),
    )
    assert out.shape == image.shape and out.dtype == np.float32
    assert np.abs(out - (2 * image + extra)).max() < 1e-4
    assert capsys.readouterr().out == ""


def test_mirrored_copies_of_a_network_in_half_precision_are_summed_in_single(plans, dataset_json):
    """Eight copies of a number keep its last digit; nnU-Net adds up in the precision that the network returns."""
    window = Window(ModelPlan(plans, plans.get_configuration("3d_tiny"), dataset_json), (0, 1, 2), torch.device("cpu"))
    image = np.full((2, 8, 32, 32), 1 + 1 / 1024, np.float32)
    out = reconstruct_volume(image, None, lambda x, _: (5 * x).half(), window)
    assert np.abs(out - np.float32(np.float16(5 * image[0, 0, 0, 0]))).max() < 1e-5


@pytest.mark.parametrize("configuration", ["2d_tiny", "3d_tiny"])
def test_equal_to_nnunets_own_predictor(plans, dataset_json, configuration):
    """The same network, tiles and mirroring; nnU-Net sums in half precision."""
    manager = plans.get_configuration(configuration)
    torch.manual_seed(0)
    network = PlanRecipe.of(manager, 2, 2).build().eval()
    image = np.random.default_rng(0).standard_normal((2, 9, 50, 40)).astype(np.float32)
    device = torch.device("cpu")
    window = Window(ModelPlan(plans, manager, dataset_json), (0, 1), device)
    ours = reconstruct_volume(image, None, lambda x, _: network(x), window)
    predictor = nnUNetPredictor(device=device, allow_tqdm=False)
    predictor.manual_initialization(network, plans, manager, None, dataset_json, "", (0, 1))
    predictor.label_manager = type("Two", (), {"num_segmentation_heads": 2})()
    theirs = predictor.predict_sliding_window_return_logits(torch.from_numpy(image)).float().numpy()
    # Where tiles are weighted hardly at all, at the image's corners, half precision has no digits.
    assert np.median(np.abs(ours - theirs)) < 1e-3 and np.quantile(np.abs(ours - theirs), 0.9) < 1e-2
