"""The requests in Python; what files hold and what is refused: tests/cli/test_predict.py."""

import os
import shutil
from pathlib import Path

import pytest
import tiny

from nnunet_uad.inference.predict import PredictRequest, PredictResult, predict_folder
from nnunet_uad.weights.leakage import Overlap


@pytest.fixture
def request_of(dae_fold, tmp_path):
    """A request for maps of one test case and one training case."""
    images = tmp_path / "images"
    raw = Path(os.environ["nnUNet_raw"]) / tiny.DATASET
    shutil.copytree(raw / "imagesTs", images)
    for path in (raw / "imagesTr").glob("healthy_0_*"):
        shutil.copy(path, images)

    def make(**changes):
        return PredictRequest(
            **{"model": dae_fold.parent, "images": images, "output": tmp_path / "maps", "device": "cpu", **changes}
        )

    return make


def test_cases_are_sorted_by_what_became_of_them(request_of, tmp_path):
    said = []
    shutil.copy(tmp_path / "images" / "test_0000.nii.gz", tmp_path / "images" / "half_0000.nii.gz")
    first = predict_folder(request_of(), said.append)
    assert first.written == ("healthy_0", "test") and first.kept == () and list(first.failed) == ["half"]
    assert first.overlap.cases == ("healthy_0",) and said[0].startswith("LEAKAGE? 1 case(s)") and len(said) == 1
    (tmp_path / "maps" / "test_map.nii.gz").unlink()
    second = predict_folder(request_of(model=str(request_of().model)), said.append)
    assert second.written == ("test",) and second.kept == ("healthy_0",) and "1 of 2 cases" in said[-1]


def test_a_threshold_may_be_a_number_or_a_name(request_of, tmp_path):
    predict_folder(request_of(save=["mask"], threshold=0.25), print)
    assert '"mask_threshold": 0.25' in (tmp_path / "maps" / "anomaly_maps.json").read_text()
    with pytest.raises(ValueError, match=r"made differently \(mask_threshold\)"):
        predict_folder(request_of(save=["mask"], threshold="best"))


def test_maps_may_be_continued_with_masks(request_of, tmp_path):
    predict_folder(request_of())
    predict_folder(request_of(save=["map", "mask"]))
    assert (tmp_path / "maps" / "test_mask.nii.gz").exists()


def test_a_case_that_failed_is_not_written():
    result = PredictResult.of(["a", "b", "c"], ["b", "c"], {"c": "broken", "d": "half"}, Overlap(()))
    assert result.written == ("b",) and result.kept == ("a",) and list(result.failed) == ["c", "d"]


def test_copies_of_training_cases_are_said_whatever_they_are_called(request_of, tmp_path):
    for channel in (0, 1):
        path = tmp_path / "images" / f"healthy_0_{channel:04d}.nii.gz"
        path.rename(tmp_path / "images" / f"renamed_{channel:04d}.nii.gz")
    said = []
    predict_folder(request_of(), said.append)
    assert len(said) == 1 and "LEAKAGE: 1 case(s) were among the training cases" in said[0]
    assert "renamed (the images of healthy_0)" in said[0]


def test_a_model_of_which_nobody_knows_what_it_has_seen(request_of, tmp_path, dae_fold):
    model = tmp_path / dae_fold.parent.name
    shutil.copytree(dae_fold.parent, model, ignore=shutil.ignore_patterns("*.safetensors"))
    said = []
    result = predict_folder(request_of(model=model), said.append)
    assert not result.failed and "LEAKAGE? It is not known which cases" in said[0] and "fold_0" in said[0]
