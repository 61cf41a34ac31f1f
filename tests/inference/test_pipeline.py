import json

import numpy as np
import pytest
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunet_uad.inference.pipeline import SameProcess, _ahead, list_cases

DATASET = {"channel_names": {"0": "FLAIR", "1": "T1"}, "file_ending": ".nii.gz"}


def test_images_that_do_not_suit_the_model_are_named(tmp_path):
    for name in ("a_0000.nii.gz", "a_0001.nii.gz", "b_0000.nii.gz", "c_0000.nii.gz", "c_0001.nii.gz", "c_0002.nii.gz"):
        (tmp_path / name).write_bytes(b"")
    for name in ("d_0000.nrrd", "d_0001.nrrd"):
        (tmp_path / name).write_bytes(b"")
    good, failed = list_cases(tmp_path, DATASET)
    assert [p[-14:] for p in good["a"]] == ["/a_0000.nii.gz", "/a_0001.nii.gz"] and list(good) == ["a"]
    assert "expected 2 channel(s) (FLAIR, T1: _0000, _0001), found _0000" in failed["b"]
    assert "found _0000, _0001, _0002" in failed["c"] and "reads .nii.gz, found .nrrd" in failed["d"]


def test_only_a_few_cases_are_prepared_ahead():
    started = []

    class Counting(SameProcess):
        def submit(self, function, /, *arguments, **options):
            started.append(arguments[0])
            return super().submit(lambda: None)

    jobs = _ahead(Counting(), {str(k): [str(k)] for k in range(9)}, (), 3)
    assert next(jobs)[0] == "0" and len(started) == 3
    assert [name for name, _ in jobs] == [str(k) for k in range(1, 9)]


def test_a_job_in_the_same_process_keeps_its_exception():
    future = SameProcess().submit(lambda: 1 / 0)
    assert isinstance(future.exception(), ZeroDivisionError)


def test_natural_images_through_preprocessing_and_export(tmp_path, tiny_dataset):
    """A marked pixel of a PNG is where it was, in the float map and in the mask."""
    import SimpleITK

    from nnunet_uad.inference.case import ScoredCase
    from nnunet_uad.inference.export import Exporter
    from nnunet_uad.inference.model_plan import ModelPlan
    from nnunet_uad.inference.pipeline import prepare
    from nnunet_uad.scoring.score_settings import ScoreSettings

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
    case = ScoredCase("a", image, 0 * image, foreground, image[0], (1.0, 1.0, 1.0), properties)
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


@pytest.mark.parametrize("spoilt", [np.nan, np.inf])
def test_a_raw_image_with_nan_is_refused(tmp_path, tiny_dataset, spoilt):
    import nibabel

    from nnunet_uad.inference.pipeline import prepare

    volume = np.ones((20, 20, 8), np.float32)
    volume[3, 3, 3] = spoilt
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / "a_0000.nii.gz")
    with pytest.raises(ValueError, match=r"a_0000.nii.gz holds NaN"):
        prepare([str(tmp_path / "a_0000.nii.gz")], None)
