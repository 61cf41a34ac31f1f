import json

import numpy as np
import pytest
import torch
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunet_uad.inference.sliding_window import reconstruct_volume


@pytest.mark.parametrize("configuration", ["2d_tiny", "3d_tiny"])
@pytest.mark.parametrize("mirror", [None, (0, 1)])
def test_a_pointwise_restorer_is_reproduced_at_any_size(tiny_dataset, configuration, mirror):
    """Tiles, padding, mirroring and the extra channel must all line up."""
    plans = PlansManager(json.loads((tiny_dataset / "nnUNetPlans.json").read_text()))
    dataset_json = json.loads((tiny_dataset / "dataset.json").read_text())
    rng = np.random.default_rng(0)
    image = rng.standard_normal((2, 11, 45, 29)).astype(np.float32)
    extra = rng.standard_normal((1, 11, 45, 29)).astype(np.float32)
    out = reconstruct_volume(
        image,
        extra,
        lambda x, e: 2 * x + e,
        plans,
        plans.get_configuration(configuration),
        dataset_json,
        mirror,
        torch.device("cpu"),
    )
    assert out.shape == image.shape and out.dtype == np.float32
    assert np.abs(out - (2 * image + extra)).max() < 2e-2  # nnU-Net accumulates in half precision
