import numpy as np
import pytest

from nnunet_uad.selection.templates import template, write_labels


def test_a_whole_case_is_background_or_the_proposal():
    assert template((2, 3, 4), None, None, 0, 9).tolist() == np.zeros((2, 3, 4)).tolist()
    proposal = np.arange(24).reshape(2, 3, 4)
    labels = template((2, 3, 4), proposal, None, 0, 99)
    assert labels.dtype == np.uint8 and (labels == proposal).all()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_outside_the_chosen_slices_all_is_ignored(axis):
    labels = template((4, 4, 4), np.ones((4, 4, 4), int), [1, 3], axis, 2)
    moved = np.moveaxis(labels, axis, 0)
    assert (moved[[1, 3]] == 1).all() and (moved[[0, 2]] == 2).all()


def test_what_was_labelled_before_stays():
    before = np.full((3, 2, 2), 2)
    before[0] = 1
    labels = template((3, 2, 2), None, [2], 0, 2, before)
    assert (labels[0] == 1).all() and (labels[1] == 2).all() and (labels[2] == 0).all()


def test_values_above_a_byte_are_kept():
    assert template((1, 1, 2), None, [], 0, 300).dtype == np.uint16


def test_written_as_nnunet_writes_segmentations(tiny_dataset, tmp_path):
    import os
    from pathlib import Path

    import SimpleITK
    import tiny
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    from nnunet_uad.inference.model_plan import ModelPlan

    plans = PlansManager(str(tiny_dataset / "nnUNetPlans.json"))
    model = ModelPlan(plans, plans.get_configuration("2d_tiny"), {})
    image = Path(os.environ["nnUNet_raw"]) / tiny.DATASET / "imagesTs" / "test_0000.nii.gz"
    properties = plans.image_reader_writer_class().read_images([str(image)])[1]
    write_labels(template(tiny.SHAPE, None, [4], 0, 3), model, properties, tmp_path / "case.nii.gz")
    written, expected = SimpleITK.ReadImage(str(tmp_path / "case.nii.gz")), SimpleITK.ReadImage(str(image))
    assert written.GetOrigin() == expected.GetOrigin() and written.GetDirection() == expected.GetDirection()
    assert written.GetPixelIDTypeAsString() == "8-bit unsigned integer"
    values = SimpleITK.GetArrayFromImage(written)
    assert (values[4] == 0).all() and (np.delete(values, 4, axis=0) == 3).all()
