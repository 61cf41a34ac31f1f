import json
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunet_uad.inference.case import ScoredCase
from nnunet_uad.inference.export import Exporter
from nnunet_uad.inference.model_plan import ModelPlan
from nnunet_uad.inference.pipeline import prepare
from nnunet_uad.scoring.score_settings import ScoreSettings


def test_files_are_named_after_case_kind_and_channel(model, tmp_path):
    exporter = Exporter(tmp_path, ("residual", "png", "map"), model, ScoreSettings())
    names = ["a_map.nii.gz", "a_residual_0000.nii.gz", "a_residual_0001.nii.gz", "a_montage.png"]
    assert [p.name for p in exporter.paths("a")] == names and not exporter.is_done("a")
    for name in names:
        (tmp_path / name).touch()
    assert exporter.is_done("a")


def test_what_a_case_does_not_have_is_refused(model, tmp_path):
    detected = SimpleNamespace(identifier="a", reconstruction=None)
    with pytest.raises(ValueError, match="without reconstructing the image: it has no reconstruction"):
        Exporter(tmp_path, ("residual",), model, ScoreSettings()).write(detected)


def test_natural_images_through_preprocessing_and_export(tmp_path, tiny_dataset):
    """A marked pixel of a PNG is where it was, in the float map and in the mask."""
    plans = json.loads((tiny_dataset / "nnUNetPlans.json").read_text())
    plans["image_reader_writer"] = "NaturalImage2DIO"
    plans["configurations"]["2d"]["normalization_schemes"] = ["ZScoreNormalization"]
    plans["configurations"]["2d_tiny"]["spacing"] = [1.0, 1.0]
    manager = PlansManager(plans)
    description = {"channel_names": {"0": "photo"}, "file_ending": ".png", "labels": {"background": 0, "x": 1}}
    model = ModelPlan(manager, manager.get_configuration("2d_tiny"), description)
    picture = np.full((40, 50), 30, np.uint8)
    picture[0, 0], picture[9:12, 40:43] = 0, 250
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(picture), str(tmp_path / "a_0000.png"))
    image, foreground, properties = prepare([str(tmp_path / "a_0000.png")], model)
    assert image.shape == (1, 1, 40, 50)
    case = ScoredCase("a", image, 0 * image, foreground, properties, score=image[0], spacing=(1.0, 1.0, 1.0))
    settings = ScoreSettings(min_component_mm3=9)
    exporter = Exporter(tmp_path, ("map", "mask", "png"), model, settings, 2.0)
    exporter.write(case)
    assert exporter.is_done("a") and {p.name for p in exporter.paths("a")} == {
        "a_map.tif",
        "a_mask.png",
        "a_montage.png",
    }
    score = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / "a_map.tif")))
    mask = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / "a_mask.png")))
    assert np.array_equal(mask > 0, picture == 250) and score.shape == (40, 50)
    assert np.array_equal(score == score.max(), picture == 250)
