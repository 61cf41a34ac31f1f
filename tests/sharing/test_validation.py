import json

import pytest

from nnunet_uad.sharing.validation import validation_metrics


def summary(folder, content):
    (folder / "validation").mkdir()
    (folder / "validation" / "summary.json").write_text(json.dumps(content))
    return folder / "pretrained.safetensors"


def test_metrics_come_without_the_names_of_cases(tmp_path):
    content = {
        "metric_per_case": [{"identifier": "patient_x", "metrics": {}}] * 3,
        "mean": {"MAE_foreground": 0.25, "foreground_voxels": 9.0},
        "anomaly": {"map AP": 0.5, "map best_dice_oracle": None},
    }
    assert validation_metrics(summary(tmp_path, content)) == ({"map AP": 0.5, "reconstruction MAE_foreground": 0.25}, 3)


def test_no_validation_no_metrics(tmp_path):
    assert validation_metrics(tmp_path / "pretrained.safetensors") == ({}, 0)
    content = {"metric_per_case": [], "mean": {}, "anomaly": {}, "note": "no maps"}
    assert validation_metrics(summary(tmp_path, content)) == ({}, 0)


def test_a_damaged_summary_is_refused(tmp_path):
    with pytest.raises(ValueError, match="summary.json: mean expects names with values"):
        validation_metrics(summary(tmp_path, {"mean": 5}))
