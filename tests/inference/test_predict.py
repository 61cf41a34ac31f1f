"""The requests in Python; what files hold and what is refused: tests/cli/test_predict.py."""

import json
import os
import shutil
from pathlib import Path

import pytest
import SimpleITK
import tiny
import torch
from weights_helpers import make_record

from nnunet_uad.common.lock import LockedError, folder_lock
from nnunet_uad.inference.predict import PredictRequest, PredictResult, overlap_with_training, predict_folder
from nnunet_uad.weights.leakage import Overlap
from nnunet_uad.weights.record import BaseWeights
from nnunet_uad.weights.safe_file import FILE_NAME, write_pretrained


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


def test_an_overlay_brings_the_map_and_the_mask_that_it_shows(request_of, tmp_path):
    maps = tmp_path / "maps"
    predict_folder(request_of(save=["png"]))
    assert not (maps / "labels.txt").exists()
    predict_folder(request_of(save=["png"], overlay=True))
    wanted = {"test.mrml", "healthy_0.mrml", "labels.txt", "test_map.nii.gz", "test_mask.nii.gz", "test_montage.png"}
    assert wanted <= {path.name for path in maps.iterdir()}
    threshold = json.loads((maps / "anomaly_maps.json").read_text())["mask_threshold"]
    assert f"at least {threshold:.4g}" in (maps / "labels.txt").read_text()


def test_another_score_that_is_stored_with_the_model_has_masks_without_a_number(request_of, dae_fold, tmp_path):
    result = predict_folder(request_of(save=["map", "mask"], score="score=small-lesions"))
    assert result.written == ("healthy_0", "test")
    score, mask = (
        SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / "maps" / f"test_{kind}.nii.gz")))
        for kind in ("map", "mask")
    )
    (stored,) = json.loads((dae_fold / "anomaly_thresholds.json").read_text())["further"]
    threshold = stored["thresholds"]["fpr:0.01"]["value"]
    assert ((score >= threshold) == mask).all() and mask.any() and threshold > 1
    with pytest.raises(ValueError, match="smoothing_mm has no effect with score=small-lesions"):
        predict_folder(request_of(score="score=small-lesions smoothing_mm=1"))


def test_maps_may_be_continued_with_masks(request_of, tmp_path):
    predict_folder(request_of())
    predict_folder(request_of(save=["map", "mask"]))
    assert (tmp_path / "maps" / "test_mask.nii.gz").exists()


def test_maps_of_a_version_that_knew_fewer_settings_of_the_score_are_continued(request_of, tmp_path):
    predict_folder(request_of())
    path = tmp_path / "maps" / "anomaly_maps.json"
    record = json.loads(path.read_text())
    del record["score"]["score"], record["score"]["draws"]
    path.write_text(json.dumps(record))
    with pytest.raises(ValueError, match=r"made differently \(score\)"):
        predict_folder(request_of(score="score=small-lesions"))
    assert predict_folder(request_of()).written == ()
    assert json.loads(path.read_text())["score"]["score"] == "default"


def test_maps_of_other_images_under_the_same_names_are_made_again(request_of, tmp_path):
    said = []
    predict_folder(request_of(save=["map", "mask"], threshold=0.5), said.append)
    maps = {name: tmp_path / "maps" / f"{name}_map.nii.gz" for name in ("test", "healthy_0")}
    before = {name: path.read_bytes() for name, path in maps.items()}
    for channel in (0, 1):
        tiny.write_image(tiny.tiny_case(7, True)[0][channel], tmp_path / "images" / f"test_{channel:04d}.nii.gz")
    result = predict_folder(request_of(threshold=0.5), said.append)
    assert result.written == ("test",) and "The images of test have changed" in said[-2]
    assert maps["test"].read_bytes() != before["test"] and maps["healthy_0"].read_bytes() == before["healthy_0"]
    assert not (tmp_path / "maps" / "test_mask.nii.gz").exists(), "the mask of the earlier image"


def test_maps_of_weights_trained_again_under_the_same_name_are_refused(request_of, tmp_path):
    model = tmp_path / "D" / request_of().model.name
    shutil.copytree(request_of().model, model)
    predict_folder(request_of(model=model))
    for checkpoint in model.glob("fold_*/checkpoint_final.pth"):
        content = torch.load(checkpoint, weights_only=True)
        content["current_epoch"] += 1
        torch.save(content, checkpoint)
    with pytest.raises(ValueError, match=r"maps that were made differently \(weights\)"):
        predict_folder(request_of(model=model))


def test_images_that_do_not_belong_together_are_listed(request_of, tmp_path):
    images = tmp_path / "images"
    other = SimpleITK.ReadImage(str(images / "healthy_0_0001.nii.gz"))
    other.SetOrigin((50.0, 0.0, 0.0))
    SimpleITK.WriteImage(other, str(images / "healthy_0_0001.nii.gz"))
    cut = images / "test_0000.nii.gz"
    cut.write_bytes(cut.read_bytes()[:-200])
    failed = predict_folder(request_of()).failed
    assert "healthy_0_0001.nii.gz has origin" in failed["healthy_0"] and "test_0000.nii.gz" in failed["test"]
    assert not list((tmp_path / "maps").glob("*.nii.gz"))


def test_one_process_writes_into_a_folder(request_of, tmp_path):
    with folder_lock(tmp_path / "maps"), pytest.raises(LockedError, match="maps is being written already by process"):
        predict_folder(request_of())
    assert not (tmp_path / "maps").exists()


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
    assert "renamed (the images of a case whose name the weights keep as a hash)" in said[0]


def test_a_model_of_which_nobody_knows_what_it_has_seen(request_of, tmp_path, dae_fold):
    model = tmp_path / dae_fold.parent.name
    shutil.copytree(dae_fold.parent, model, ignore=shutil.ignore_patterns("*.safetensors"))
    said = []
    result = predict_folder(request_of(model=model), said.append)
    assert not result.failed and "LEAKAGE? It is not known which cases" in said[0] and "fold_0" in said[0]


def test_images_that_first_weights_saw_are_named_and_strangers_said(tmp_path):
    seen = BaseWeights.chain("from_du.safetensors", "1", "nnunet_uad", make_record(cases=("d",)))
    strangers = BaseWeights.chain("openmind.pth", "1", "nnssl", None)
    record = make_record(cases=("z",), bases=(*seen, *strangers), contents={"z": ("raw:1",)})
    write_pretrained(tmp_path / FILE_NAME, {}, record)
    said = []
    assert overlap_with_training([tmp_path], ["d", "x"], "nnUNetPretrainerDAE", said.append).cases == ("d",)
    assert "openmind.pth, from which nnUNetPretrainerDAE" in said[0] and "trained on: d" in said[1]
