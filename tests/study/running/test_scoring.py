import json

import numpy as np
import tiny

from nnunet_uad.inference.segmenter import load_segmenter, segment
from nnunet_uad.study.running.scoring import score_segmentation

TRAINER = "nnUNetTrainerFromScratch_1epochs_2iters"


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
