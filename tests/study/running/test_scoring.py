import json

import numpy as np
import pytest
import tiny
from sklearn.calibration import calibration_curve

from nnunet_uad.inference.segmenter import load_segmenter, segment
from nnunet_uad.report.analysis import calibration_error, reliability_curve
from nnunet_uad.study.running.scoring import RELIABILITY_EDGES, reliability_counts, score_segmentation

TRAINER = "nnUNetTrainerFromScratch_1epochs_2iters"


def counts(probabilities, positive):
    found = reliability_counts(probabilities, positive)
    return np.array([found[k] for k in ("voxels", "probability", "positives")])


def test_reliability_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    probabilities = rng.random(5000).astype(np.float32)
    positive = rng.random(5000) < probabilities**2
    # Equal bins of 0.1: ours, but for the first, which is cut at 0.01.
    keep = probabilities >= 0.1
    predicted, observed, voxels = reliability_curve(counts(probabilities[keep], positive[keep]))
    theirs = calibration_curve(positive[keep], probabilities[keep], n_bins=10)
    np.testing.assert_allclose((observed, predicted), theirs, rtol=1e-6)
    assert voxels.sum() == keep.sum()
    expected = (
        sum(
            (inside := (probabilities >= low) & (probabilities < high)).sum()
            * abs(probabilities[inside].mean() - positive[inside].mean())
            for low, high in zip(RELIABILITY_EDGES[1:-1], (*RELIABILITY_EDGES[2:-1], 1.1), strict=True)
        )
        / (probabilities >= 0.01).sum()
    )
    assert calibration_error(counts(probabilities, positive)) == pytest.approx(expected, rel=1e-6)


def test_certain_background_does_not_hide_the_error():
    probabilities = np.r_[np.zeros(10_000), np.full(10, 0.9)]
    positive = np.r_[np.zeros(10_000, bool), np.zeros(10, bool)]
    assert calibration_error(counts(probabilities, positive)) == pytest.approx(0.9)
    assert np.isnan(calibration_error(counts(np.zeros(5), np.zeros(5, bool)))) and np.isnan(calibration_error(None))


def test_counts_of_one_and_of_the_edges():
    found = reliability_counts(np.array([0.0, 0.0099, 0.01, 0.5, 1.0]), np.array([0, 0, 0, 1, 1], bool))
    assert found["voxels"] == [2, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1] and found["positives"][-1] == 1


def test_a_case_is_scored_by_classes_or_by_foreground(tiny_dataset, results, tmp_path):
    model = tiny.run_training(TRAINER).parent
    predictor = load_segmenter(model, "0", "checkpoint_final.pth", False, "cpu")
    raw = tiny_dataset.parents[1] / "nnUNet_raw" / tiny.DATASET
    case = tiny.LESION[2]
    images = [raw / "imagesTr" / f"{case}_{k:04d}.nii.gz" for k in (0, 1)]
    label = raw / "labelsTr" / f"{case}.nii.gz"
    output = tmp_path / f"{case}.nii.gz"
    probabilities = segment(predictor, images, output)
    assert probabilities.shape == (3, *tiny.SHAPE)
    np.testing.assert_allclose(probabilities.sum(0), 1, atol=1e-4)
    classes = json.loads((raw / "dataset.json").read_text())["labels"]
    found = score_segmentation(output, probabilities, label, predictor, classes)
    summary = json.loads((model / "fold_0" / "validation" / "summary.json").read_text())
    nnunet = next(c for c in summary["metric_per_case"] if case in c["reference_file"])["metrics"]
    assert found["compared"] == "classes" and set(found["Dice per class"]) == {"1", "2"} == set(nnunet)
    truth = tiny.tiny_case(6, True)[1]
    assert found["volume"] == (truth > 0).sum() and sum(found["reliability"]["voxels"]) == truth.size
    assert sum(found["reliability"]["positives"]) == found["volume"] and found["lesions"]["lesions"] == 1
    # The labels themselves as segmentation: a Dice of 1 either way.
    perfect = score_segmentation(label, probabilities, label, predictor, classes)
    assert perfect["Dice"] == 1
    other = score_segmentation(label, probabilities, label, predictor, {"background": 0, "lesion": 1})
    assert other["compared"] == "foreground" and other["Dice"] == 1 and other["Dice per class"] == {}
