import json
from types import SimpleNamespace

import numpy as np
import pytest
import tiny
from nnunetv2.evaluation.evaluate_predictions import compute_metrics
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from sklearn.metrics import average_precision_score

from nnunet_uad.evaluation.segmentation import read_case, score_case, scores_of

LABELS = {"background": 0, "lesion": 1, "core": 2}


@pytest.fixture
def files(tmp_path):
    """Label, a segmentation that lacks two slices, and probabilities of the three classes."""
    truth = tiny.tiny_case(5, True)[1].astype(np.uint8)
    segmentation = truth.copy()
    segmentation[:6] = 0
    for name, volume in {"label": truth, "segmentation": segmentation}.items():
        tiny.write_image(volume, tmp_path / f"{name}.nii.gz")
    scores = np.random.default_rng(0).random((3, *truth.shape)).astype(np.float32)
    return tmp_path / "label.nii.gz", tmp_path / "segmentation.nii.gz", scores / scores.sum(0), truth


def predictor(tiny_dataset, labels=LABELS, **more):
    """What of nnU-Net's predictor scoring looks at, with the model's own managers."""
    description = json.loads((tiny_dataset / "dataset.json").read_text()) | {"labels": labels} | more
    plans = PlansManager(str(tiny_dataset / "nnUNetPlans.json"))
    manager = plans.get_label_manager(description)
    return SimpleNamespace(plans_manager=plans, label_manager=manager, dataset_json=description)


def test_dice_is_nnunets_and_ap_is_that_of_any_foreground(tiny_dataset, files):
    label, segmentation, probabilities, truth = files
    model = predictor(tiny_dataset)
    scores = score_case(segmentation, probabilities, label, model)
    reader = model.plans_manager.image_reader_writer_class()
    expected = compute_metrics(str(label), str(segmentation), reader, [1, 2])["metrics"]
    assert scores["Dice per class"] == {"1": expected[1]["Dice"], "2": expected[2]["Dice"]}
    assert scores["Dice"] == pytest.approx(np.mean([expected[k]["Dice"] for k in (1, 2)])) and 0 < scores["Dice"] < 1
    precision = average_precision_score((truth > 0).ravel(), 1 - probabilities[0].ravel())
    assert scores["AP"] == pytest.approx(precision, abs=1e-3)


def test_spacing_and_masks_are_those_of_the_files(tiny_dataset, files):
    label, segmentation, probabilities, truth = files
    case = read_case(segmentation, probabilities, label, predictor(tiny_dataset))
    assert case.spacing == tiny.SPACING_XYZ[::-1] and np.array_equal(case.truth, truth)
    assert np.array_equal(case.predicted[6:], truth[6:] > 0) and not case.predicted[:6].any() and case.known.all()


def test_voxels_to_be_ignored_do_not_count(tiny_dataset, files):
    label, segmentation, probabilities, truth = files
    model = predictor(tiny_dataset, {"background": 0, "lesion": 1, "ignore": 2})
    case = read_case(segmentation, probabilities[:2], label, model)
    assert np.array_equal(case.known, truth != 2) and case.positive.sum() == (truth == 1).sum()


def test_regions_have_a_dice_each(tiny_dataset, files):
    label, segmentation, probabilities, _ = files
    regions = {"background": 0, "whole": [1, 2], "core": 2}
    model = predictor(tiny_dataset, regions, regions_class_order=[1, 2])
    assert list(score_case(segmentation, probabilities[:2], label, model)["Dice per class"]) == ["(1, 2)", "2"]


def test_other_classes_are_compared_as_foreground(tiny_dataset, files):
    label, _, probabilities, _ = files
    case = read_case(label, probabilities, label, predictor(tiny_dataset), by_class=False)
    assert case.dice_per_class is None
    scores = scores_of(case)
    assert scores["Dice per class"] == {} and scores["Dice"] == 1
