import json
import os
from pathlib import Path

import numpy as np
import pytest
import tiny
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunet_uad.inference.case import ScoredCase
from nnunet_uad.inference.model_plan import ModelPlan
from nnunet_uad.inference.pipeline import prepare
from nnunet_uad.selection.view import axis_name, on_raw_grid, slice_axis


@pytest.mark.parametrize("transposed", [False, True])
def test_slices_have_the_indices_of_the_raw_image(tiny_dataset, transposed):
    content = json.loads((tiny_dataset / "nnUNetPlans.json").read_text())
    if transposed:
        content["transpose_forward"], content["transpose_backward"] = [2, 0, 1], [1, 2, 0]
    plans = PlansManager(content)
    model = ModelPlan(
        plans, plans.get_configuration("2d_tiny"), json.loads((tiny_dataset / "dataset.json").read_text())
    )
    images = Path(os.environ["nnUNet_raw"]) / tiny.DATASET / "imagesTs"
    image, foreground, properties = prepare([str(images / f"test_{c:04d}.nii.gz") for c in (0, 1)], model)
    case = ScoredCase("test", image, None, foreground, properties, score=image[0], spacing=(1.0, 1.0, 1.0))
    found = on_raw_grid(case, model)
    order = [2, 0, 1] if transposed else [0, 1, 2]
    assert slice_axis(model) == order[0] and found.reconstruction is None
    assert found.score.shape == tuple(np.array(tiny.SHAPE)[order]) and found.foreground.shape == found.score.shape
    assert found.spacing == tuple(np.array(tiny.SPACING_XYZ[::-1])[order])
    raw = plans.image_reader_writer_class().read_images([str(images / "test_0000.nii.gz")])[0][0].transpose(order)
    inside = found.foreground & (raw > 0)
    assert np.corrcoef(found.image[0][inside], raw[inside])[0, 1] > 0.8


def test_axes_are_named_as_files_count_them():
    assert [axis_name(a) for a in range(3)] == ["z", "y", "x"]
