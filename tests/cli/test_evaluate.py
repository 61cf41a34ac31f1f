import json
import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import tiny
from sklearn.metrics import average_precision_score

from nnunet_uad.cli.main import main


@pytest.fixture
def validation(dae_fold):
    return dae_fold / "validation"


RAW = Path(os.environ["nnUNet_raw"]) / tiny.DATASET


def evaluate(validation, output, *flags):
    return main(["evaluate", "-maps", str(validation), "-gt", str(RAW / "labelsTr"), "-o", str(output), *flags])


def test_maps_of_a_validation_beside_the_intensity(validation, tmp_path, capsys):
    flags = ("--labels", "1", "2", "--cases", *tiny.LESION[2:], "-i", str(RAW / "imagesTr"))
    assert evaluate(validation, tmp_path / "s.json", *flags, "--baseline", "intensity:flair", "--threshold", "1") == 0
    out = capsys.readouterr().out
    assert "map, 2 case(s), all voxels pooled: AP" in out and "intensity:flair, 2 case(s)" in out
    assert "found at 1 % false positives: " in out and "of 2 lesions" in out
    assert out.count("robust_z:flair") == 2 and "the strongest floor: mean difference of the AP per case -" in out
    assert "masks, fixed threshold: Dice" in out and "WARNING: The threshold best was chosen on" in out
    summary = json.loads((tmp_path / "s.json").read_text())
    ours = json.loads((validation / "anomaly_metrics.json").read_text())
    assert summary["scores"]["map"]["pooled"] == ours["scores"]["map"]["pooled"]
    best = ours["strongest_floor"]["score"]
    assert summary["strongest_floor"]["score"] == best.replace("FLAIR", "flair")
    # By default the same without a word: the channel that the maps weight most.
    assert evaluate(validation, tmp_path / "t.json", *flags) == 0
    assert json.loads((tmp_path / "t.json").read_text())["scores"] == ours["scores"]
    assert (tmp_path / "s.csv").read_text().startswith("score,case,mask,metric,value,low_95,high_95")


def test_cases_left_out_are_listed_and_the_exit_status_tells(validation, tmp_path, capsys):
    assert evaluate(validation, tmp_path / "s.json", "--labels", "1", "2") == 1
    err = capsys.readouterr().err
    assert "6 case(s) could not be evaluated" in err and "healthy_0: there is no map of this case" in err
    assert (tmp_path / "s.json").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--baseline", "intensity:FLAIR"), "with -i"),
        (("-i", str(RAW / "imagesTr"), "--baseline", "ct:0"), "expects intensity:CHANNEL or robust_z:CHANNEL"),
        (("-i", str(RAW / "imagesTr"), "--baseline", "intensity:T2"), "FLAIR, T1"),
        (("--cases", *tiny.LESION[2:]), "--labels 1 2"),
    ],
)
def test_refusals(validation, tmp_path, capsys, flags, message):
    assert evaluate(validation, tmp_path / "s.json", *flags) == 1
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_probabilities_of_a_stock_model(tiny_dataset, results, tmp_path, capsys):
    """Any nnU-Net model: what --npz writes, against scikit-learn on the same voxels."""
    fold = tiny.run_training("nnUNetTrainer_1epochs_2iters", export_validation_probabilities=True)
    flags = ("--probabilities", "--labels", "1", "2", "--cases", *tiny.LESION[2:])
    assert evaluate(fold / "validation", tmp_path / "s.json", *flags) == 0
    summary = json.loads((tmp_path / "s.json").read_text())
    scores, labels = [], []
    for case in tiny.LESION[2:]:
        probabilities = np.load(fold / "validation" / f"{case}.npz")["probabilities"].astype(np.float32)
        scores.append(probabilities[1:].sum(0).ravel())
        labels.append(
            SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(RAW / "labelsTr" / f"{case}.nii.gz"))).ravel()
        )
    expected = average_precision_score(np.concatenate(labels) > 0, np.concatenate(scores))
    assert summary["scores"]["map"]["pooled"]["AP"]["value"] == pytest.approx(expected, abs=2e-3)
    assert "masks, fixed threshold: Dice" in capsys.readouterr().out
    assert evaluate(fold / "validation", tmp_path / "s.json", *flags, "--resample") == 1
