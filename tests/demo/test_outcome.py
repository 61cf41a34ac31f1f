"""Table and picture of the demo, from files as its trainings leave them."""

import json

import numpy as np
import pytest
import SimpleITK
from PIL import Image

from nnunet_uad.demo.outcome import dice_per_case, map_precision, outcome_picture, outcome_table
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
    (preprocessed / "dataset.json").write_text(json.dumps({"channel_names": {"0": "FLAIR"}, "file_ending": ".nii.gz"}))
    rng = np.random.default_rng(0)
    for case in CASES:
        label = np.zeros((4, 32, 32), np.uint8)
        label[1, 10:16, 10:16] = 1
        image = np.where(label > 0, 1.0, 5.0 + rng.random(label.shape)).astype(np.float32)
        image[:, :4] = 0
        score = np.where(label > 0, 9.0, rng.random(label.shape)).astype(np.float32)
        write(label, preprocessed / "gt_segmentations" / f"{case}.nii.gz")
        write(image, workspace.raw / workspace.dataset / "imagesTr" / f"{case}_0000.nii.gz")
        folder = workspace.fold_folder(PRETRAINER) / "validation"
        write(score, folder / f"{case}_map.nii.gz")
        write(image, folder / f"{case}_reconstruction_0000.nii.gz")
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


def test_maps_and_intensity_are_ranked_within_the_image(workspace):
    precision = map_precision(workspace, list(CASES))
    assert precision["anomaly map"] == pytest.approx(1.0) and precision["intensity"] < 0.1


def test_the_table_shows_means_and_their_paired_difference(workspace):
    lines = outcome_table(workspace).splitlines()
    assert lines[0].startswith("3 validation cases")
    shown = {line.split("  ")[1].strip(): line for line in lines if line.startswith("  ")}
    assert "0.500" in shown["Dice, from scratch"] and "0.700" in shown["Dice, from the denoising autoencoder"]
    assert "0.200" in shown["Dice, paired difference"]
    assert lines[-2].endswith("1.000")


def test_nothing_to_score_is_said(workspace):
    for trainer in DICE:
        path = workspace.fold_folder(trainer) / "validation" / "summary.json"
        path.write_text(json.dumps({"metric_per_case": []}))
    with pytest.raises(RuntimeError, match="No validation case holds a labelled voxel"):
        outcome_table(workspace)


def test_the_picture_shows_the_case_of_the_median_difference(workspace, tmp_path):
    assert outcome_picture(workspace, tmp_path / "demo.png") == "c"
    picture = np.asarray(Image.open(tmp_path / "demo.png").convert("L"), dtype=float)
    assert picture.shape[1] > 1000 and picture.std() > 20
