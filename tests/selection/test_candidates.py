import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import tiny
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunet_uad.inference.model_plan import ModelPlan
from nnunet_uad.selection.candidates import find_candidates, labelled_slices, refuse_nothing_left


@pytest.fixture
def model(tiny_dataset):
    dataset = json.loads((tiny_dataset / "dataset.json").read_text())
    plans = PlansManager(str(tiny_dataset / "nnUNetPlans.json"))
    return ModelPlan(plans, plans.get_configuration("2d_tiny"), dataset)


@pytest.fixture
def raw(tiny_dataset, tmp_path):
    """The raw dataset, of which two cases are labelled."""
    folder = tmp_path / "Dataset991_Tiny"
    shutil.copytree(Path(os.environ["nnUNet_raw"]) / tiny.DATASET, folder)
    for case in (*tiny.HEALTHY, *tiny.LESION[2:]):
        (folder / "labelsTr" / f"{case}.nii.gz").unlink()
    return folder


def test_labelled_and_unlabelled_cases(raw, model):
    found = find_candidates(raw, None, model)
    assert found.unlabelled == [*tiny.HEALTHY, *tiny.LESION[2:]] and sorted(found.labels) == tiny.LESION[:2]
    assert [Path(f).name for f in found.files["lesion_0"]] == ["lesion_0_0000.nii.gz", "lesion_0_0001.nii.gz"]
    further = find_candidates(raw, raw / "imagesTs", model)
    assert further.unlabelled == [*found.unlabelled, "test"]
    with pytest.raises(ValueError, match="healthy_0, .* are in Dataset991_Tiny, too"):
        find_candidates(raw, raw / "imagesTr", model)


def test_the_record_changes_with_a_label(raw, model):
    before = find_candidates(raw, None, model).record()
    shutil.copy(raw / "labelsTr" / "lesion_0.nii.gz", raw / "labelsTr" / "lesion_1.nii.gz")
    after = find_candidates(raw, None, model).record()
    assert before["unlabelled"] == after["unlabelled"] and before["labelled"] != after["labelled"]


def test_slices_that_are_ignored_are_not_labelled(raw, model):
    path = raw / "labelsTr" / "lesion_0.nii.gz"
    image = SimpleITK.ReadImage(str(path))
    values = SimpleITK.GetArrayFromImage(image)
    values[:] = 3
    values[4] = 0
    partly = SimpleITK.GetImageFromArray(values)
    partly.CopyInformation(image)
    SimpleITK.WriteImage(partly, str(path))
    candidates = find_candidates(raw, None, model)
    assert all(found.all() for found in labelled_slices(candidates, model).values())
    model.dataset["labels"]["ignore"] = 3
    found = labelled_slices(candidates, model)
    assert found["lesion_1"].all() and np.flatnonzero(found["lesion_0"]).tolist() == [4]


def test_nothing_left_is_refused_and_what_is_left_is_told(raw, model):
    told = []
    refuse_nothing_left(find_candidates(raw, None, model), None, raw.name, told.append)
    assert told == ["6 unlabelled case(s), 2 labelled."]
    for case in (*tiny.HEALTHY, *tiny.LESION[2:]):
        shutil.copy(raw / "labelsTr" / "lesion_0.nii.gz", raw / "labelsTr" / f"{case}.nii.gz")
    everything = find_candidates(raw, None, model)
    with pytest.raises(ValueError, match="No unlabelled case is left: all 8 of Dataset991_Tiny .* -i IMAGES"):
        refuse_nothing_left(everything, None, raw.name, told.append)
    with pytest.raises(ValueError, match="No unlabelled case is left"):
        refuse_nothing_left(everything, {"lesion_0": np.ones(3, bool)}, raw.name, told.append)
    refuse_nothing_left(everything, {"lesion_0": np.arange(3) > 0}, raw.name, told.append)
    assert told[-1] == "0 unlabelled case(s), 8 labelled, 1 of them in part."
