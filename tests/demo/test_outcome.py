"""Table and picture of the demo, from files as its trainings leave them."""

import json

import numpy as np
import pytest
import SimpleITK
from PIL import Image

from nnunet_uad.demo.outcome import detection, dice_per_case, outcome_picture, outcome_table
from nnunet_uad.demo.story import FINE_TUNED, PRETRAINER, SCRATCH, Workspace

CASES = ("a", "b", "c")
DICE = {FINE_TUNED: (0.8, 0.6, 0.7), SCRATCH: (0.5, 0.5, 0.5)}


def write(array, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(array), str(path))


@pytest.fixture
def workspace(tmp_path):
    """Three cases; the map ranks all lesion voxels first, the intensity ranks them last."""
    workspace = Workspace(tmp_path, "Dataset001_A", "nnUNetPlans", "2d", "cpu", "", "")
    preprocessed = workspace.preprocessed / workspace.dataset
    preprocessed.mkdir(parents=True)
    labels = {"background": 0, "whole": [1, 2], "core": 2, "ignore": 3}
    description = {"channel_names": {"0": "FLAIR"}, "labels": labels, "regions_class_order": [1, 2]}
    description |= {"file_ending": ".nii.gz"}
    (preprocessed / "dataset.json").write_text(json.dumps(description))
    rng = np.random.default_rng(0)
    for case in CASES:
        label = np.zeros((4, 32, 32), np.uint8)
        label[1, 10:16, 10:16] = 1
        label[1, 10:12, 10:12] = 2
        label[3, 20:24, 20:24] = 3 if case == "a" else 0
        lesion = np.isin(label, (1, 2))
        image = np.where(lesion, 1.0, 5.0 + rng.random(label.shape)).astype(np.float32)
        image[:, :4] = 0
        score = np.where(lesion | (label == 3), 9.0, rng.random(label.shape)).astype(np.float32)
        write(label, preprocessed / "gt_segmentations" / f"{case}.nii.gz")
        write(image, workspace.raw / workspace.dataset / "imagesTr" / f"{case}_0000.nii.gz")
        folder = workspace.fold_folder(PRETRAINER) / "validation"
        write(score, folder / f"{case}_map.nii.gz")
        write(image, folder / f"{case}_reconstruction_0000.nii.gz")
        thresholds = {"fpr:0.01": {"value": 5.0, "cases": list(CASES)}}
        (folder / "anomaly_maps.json").write_text(json.dumps({"thresholds": thresholds}))
        (folder.parent / "anomaly_thresholds.json").write_text(json.dumps({"thresholds": thresholds, "score": {}}))
        for trainer in DICE:
            write(label, workspace.fold_folder(trainer) / "validation" / f"{case}.nii.gz")
    for trainer, values in DICE.items():
        rows = [
            {"reference_file": f"x/{case}.nii.gz", "metrics": {"1": {"Dice": dice}, "2": {"Dice": float("nan")}}}
            for case, dice in zip(CASES, values, strict=True)
        ]
        rows.append({"reference_file": "x/empty.nii.gz", "metrics": {"1": {"Dice": float("nan")}}})
        path = workspace.fold_folder(trainer) / "validation" / "summary.json"
        path.write_text(json.dumps({"metric_per_case": rows}))
    return workspace


def test_cases_without_any_label_are_left_out(workspace):
    assert dice_per_case(workspace, FINE_TUNED) == {"a": 0.8, "b": 0.6, "c": 0.7}


def test_map_and_floor_are_ranked_as_evaluate_does_it(workspace):
    scores = detection(workspace, list(CASES))
    name, floor = scores
    assert name == "anomaly map" and floor.startswith(("robust_z:FLAIR", "intensity:FLAIR"))
    precision = [s["pooled"]["AP"]["value"] for s in scores.values()]
    assert precision[0] == pytest.approx(1.0) and precision[1] < 0.1


def test_a_map_that_cannot_be_scored_is_said(workspace):
    (workspace.fold_folder(PRETRAINER) / "validation" / "b_map.nii.gz").unlink()
    with pytest.raises(RuntimeError, match=r"could not be scored:\n  b: there is no map of this case"):
        outcome_table(workspace)


def test_a_case_without_lesion_counts_for_false_positives(workspace):
    label = workspace.preprocessed / workspace.dataset / "gt_segmentations" / "a.nii.gz"
    write(np.zeros((4, 32, 32), np.uint8), label)
    assert detection(workspace, list(CASES))["anomaly map"]["pooled"]["AP"]["value"] < 0.9
    for case in CASES:
        write(np.zeros((4, 32, 32), np.uint8), label.with_name(f"{case}.nii.gz"))
    assert "undefined: there is no lesion" in outcome_table(workspace)


def test_the_table_shows_what_is_found_without_labels_before_what_one_label_adds(workspace):
    lines = outcome_table(workspace).splitlines()
    assert lines[0].startswith("3 test case(s)")
    shown = {line[2:48].strip(): line[48:].split()[0] for line in lines if line.startswith("  ")}
    assert list(shown) == [
        "average precision, anomaly map",
        f"average precision, {list(detection(workspace, list(CASES)))[1]}",
        "lesions found, 1 % of healthy voxels marked",
        "false findings per scan",
        "Dice, fine-tuned",
        "Dice, the same from scratch",
    ]
    assert [shown[k] for k in list(shown)[2:]] == ["1.000", "0.000", "0.700", "0.500"]
    assert lines[-1].startswith("nnunet_uad study compares them")


def test_without_a_stored_threshold_nothing_is_said_of_lesions(workspace):
    (workspace.fold_folder(PRETRAINER) / "validation" / "anomaly_maps.json").unlink()
    assert "lesions found" not in outcome_table(workspace)


def test_nothing_to_score_is_said(workspace):
    for trainer in DICE:
        path = workspace.fold_folder(trainer) / "validation" / "summary.json"
        path.write_text(json.dumps({"metric_per_case": []}))
    with pytest.raises(RuntimeError, match="No validation case holds a labelled voxel"):
        outcome_table(workspace)


def test_the_picture_shows_the_case_of_the_median_dice(workspace, tmp_path):
    assert outcome_picture(workspace, tmp_path / "demo.png") == "c"
    picture = np.asarray(Image.open(tmp_path / "demo.png").convert("L"), dtype=float)
    assert picture.shape[1] > 1000 and picture.std() > 20
