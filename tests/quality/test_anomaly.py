import os
from pathlib import Path

import numpy as np
import pytest
import tiny

from nnunet_uad.data.image_files import read_values
from nnunet_uad.inference.model import ModelRequest
from nnunet_uad.quality.anomaly import AnomalyLimit, anomaly_findings, scan_score

LIMIT = AnomalyLimit(2.0, 0.05, 1.0, 40)


@pytest.fixture
def model(dae_fold):
    return ModelRequest(model=dae_fold.parent, folds=(0,), device="cpu")


def test_the_score_is_of_the_whole_scan_not_of_a_lesion(tmp_path):
    score = np.where(np.arange(1000).reshape(10, 10, 10) < 600, 1.5, 0).astype(np.float32)
    score[:2] = 9
    tiny.write_image(score, tmp_path / "a_map.nii.gz")
    assert scan_score(tmp_path / "a_map.nii.gz") == 1.5
    tiny.write_image(np.zeros_like(score), tmp_path / "b_map.nii.gz")
    assert scan_score(tmp_path / "b_map.nii.gz") == 0


def test_what_no_validation_scan_reached_is_unfit():
    strange, common = LIMIT.finding(3.0), LIMIT.finding(1.5)
    assert (strange.verdict, strange.score) == ("unfit", 2.0) and "Look at the map" in strange.sentence
    assert (common.verdict, common.score, common.high) == ("ok", 0.5, 2.0) and not common.sentence
    assert AnomalyLimit(1.0, 0.05, 1.0, 40).finding(2.0).score > 1


@pytest.mark.slow
def test_scans_are_judged_by_the_validation(model, dae_fold, tmp_path):
    limit = AnomalyLimit.of(model, 0.05)
    scores = [float(np.median(v[v > 0])) for v in map(read_values, (dae_fold / "validation").glob("*_map.nii.gz"))]
    assert limit.limit == pytest.approx(max(scores)) and (limit.rate, limit.count) == (pytest.approx(1 / 3), 2)
    images = Path(os.environ["nnUNet_raw"]) / tiny.DATASET / "imagesTs"
    found, failed = anomaly_findings(model, images, tmp_path / "maps", limit, ["test"], print)
    assert list(found) == ["test"] and not failed and found["test"].value > 0
    again, _ = anomaly_findings(model, images, tmp_path / "maps", limit, ["test"], print)
    assert again == found and anomaly_findings(model, images, tmp_path / "maps", limit, [], print)[0] == {}


def test_fold_all_is_refused(monkeypatch):
    monkeypatch.setattr(ModelRequest, "fold_folders", lambda self: [Path("model/fold_all")])
    with pytest.raises(ValueError, match="-f-map expects numbered folds, found all in model"):
        AnomalyLimit.of(ModelRequest(model="model", folds=("all",)), 0.05)


def test_a_model_without_maps_is_refused(model, monkeypatch):
    from nnunet_uad.screening.map_folders import MapScore

    monkeypatch.setattr(MapScore, "maps_of", lambda self, fold: {})
    with pytest.raises(ValueError, match="2 maps or more, found 0 in .*To make them: nnUNetv2_train .* --val"):
        AnomalyLimit.of(model, 0.05)
