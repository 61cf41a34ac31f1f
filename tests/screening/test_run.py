"""The whole way on the tiny models; what files hold and what is refused by the command: tests/cli/test_screen.py."""

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import tiny
import torch

from nnunet_uad.common.nnunet import CHECKPOINT
from nnunet_uad.common.schema import build
from nnunet_uad.inference.predict import PredictRequest, predict_folder
from nnunet_uad.inference.segmenter import load_segmenter
from nnunet_uad.screening import run
from nnunet_uad.screening.calibration import Calibration, combined
from nnunet_uad.screening.explained import explained, unknown
from nnunet_uad.screening.request import ScreenRequest
from nnunet_uad.screening.run import screen_folder

IMAGES = "imagesTs"


@pytest.fixture
def request_of(dae_fold, segmenter_fold, tmp_path):
    """A request to screen one test case."""
    images = tmp_path / "images"
    shutil.copytree(Path(os.environ["nnUNet_raw"]) / tiny.DATASET / IMAGES, images)
    common = {"images": images, "output": tmp_path / "out", "device": "cpu", "fpr": 0.05}

    def make(**changes):
        return ScreenRequest(**{**common, "model": segmenter_fold.parent, "map_model": dae_fold.parent, **changes})

    return make


def read(path):
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))


def test_known_and_unknown_of_a_case(request_of, dae_fold, segmenter_fold, tmp_path):
    said = []
    result = screen_folder(request_of(), said.append)
    out = tmp_path / "out"
    assert result.written == ("test",) and not result.failed
    assert "Promised: 5 %" in said[0] and "on 2 scans" in said[0]
    names = ["test.nii.gz", *(f"test_{kind}.nii.gz" for kind in ("unknown", "map", "combined")), "test_montage.png"]
    assert {*names, "findings.csv", "cases.csv", "calibration.json", "screen.json"} < {p.name for p in out.iterdir()}

    predictor = load_segmenter(segmenter_fold.parent, "0", CHECKPOINT, True, "cpu")
    files = [str(tmp_path / "images" / f"test_{k:04d}.nii.gz") for k in (0, 1)]
    expected = predictor.predict_from_files_sequential([files], None)[0]
    np.testing.assert_array_equal(read(out / "test.nii.gz"), expected)
    predict_folder(PredictRequest(model=dae_fold.parent, images=tmp_path / "images", output=out / "m", device="cpu"))
    scores = read(out / "test_map.nii.gz")
    np.testing.assert_array_equal(scores, read(out / "m" / "test_map.nii.gz"))

    calibration = build(Calibration, json.loads((out / "calibration.json").read_text()), "calibration.json")
    assert calibration.cases == tiny.LESION[2:] and result.threshold == calibration.threshold(0.05)
    known = expected > 0
    np.testing.assert_array_equal(read(out / "test_combined.nii.gz"), combined(scores, known, calibration))
    called = unknown(scores, explained(known, tiny.SPACING_XYZ[::-1], 5), result.threshold)
    kept = read(out / "test_unknown.nii.gz")
    assert not (kept[~called] > 0).any()

    rows = list(csv.DictReader((out / "findings.csv").open()))
    found = [row for row in rows if row["kind"] == "unknown"]
    assert sorted(int(row["number"]) for row in found) == sorted(set(np.unique(kept)) - {0})
    peaks = [float(row["peak_score"]) for row in rows]
    assert peaks == sorted(peaks, reverse=True)
    image = SimpleITK.ReadImage(str(out / "test_unknown.nii.gz"))
    for row in found:
        centre = np.argwhere(kept == int(row["number"])).mean(0)[::-1]
        world = image.TransformContinuousIndexToPhysicalPoint([float(c) for c in centre])
        np.testing.assert_allclose([float(row[f"{axis}_mm"]) for axis in "xyz"], world, atol=0.006)
    (case,) = csv.DictReader((out / "cases.csv").open())
    assert int(case["unknown_findings"]) == len(found)
    assert float(case["share_called_unknown"]) == pytest.approx(called.sum() / (scores > 0).sum(), abs=1e-6)


def test_finished_cases_are_kept_and_nothing_else_is_mixed_in(request_of, tmp_path):
    for channel in (0, 1):
        seen = Path(os.environ["nnUNet_raw"]) / tiny.DATASET / "imagesTr" / f"{tiny.HEALTHY[0]}_{channel:04d}.nii.gz"
        shutil.copy(seen, tmp_path / "images" / f"other_{channel:04d}.nii.gz")
    (tmp_path / "images" / "half_0000.nii.gz").write_bytes(b"")
    said = []
    first = screen_folder(request_of(save=["unknown"]), said.append)
    copies = [words for words in said if "other (the images of " in words]
    assert ["segmentation" in words for words in copies] == [True, False], "both models were trained on it"
    assert first.written == ("other", "test") and list(first.failed) == ["half"]
    assert {row["case"]: bool(row["failed"]) for row in csv.DictReader((tmp_path / "out" / "cases.csv").open())} == {
        "half": True,
        "other": False,
        "test": False,
    }
    (tmp_path / "out" / "test_unknown.nii.gz").unlink()
    again = screen_folder(request_of(save=["unknown"]))
    assert again.written == ("test",) and again.kept == ("other",)
    with pytest.raises(ValueError, match=r"findings that were made differently \(.*promised_rate.*\)"):
        screen_folder(request_of(fpr=0.2))
    for path in (tmp_path / "images").glob("test_*"):
        path.unlink()
    screen_folder(request_of(save=["unknown"]))
    cases = (tmp_path / "out" / "cases.csv").read_text()
    assert "\nother," in cases and "\ntest," in cases, "a case of an earlier run stays in the tables"
    assert screen_folder(request_of(fpr=0.2, overwrite=True, save=["unknown"])).written == ("other",)
    cases = (tmp_path / "out" / "cases.csv").read_text()
    assert "\nother," in cases and "\ntest," not in cases, "unless it was screened differently"
    assert not (tmp_path / "out" / "test_unknown.nii.gz").exists()


def test_the_mean_of_several_folds_as_nnunet_predicts_it(request_of, segmenter_fold, tmp_path, monkeypatch):
    model = tmp_path / tiny.DATASET / segmenter_fold.parent.name
    shutil.copytree(segmenter_fold.parent, model)
    shutil.copytree(model / "fold_0", model / "fold_1")
    content = torch.load(model / "fold_1" / CHECKPOINT, weights_only=True)
    content["network_weights"] = {k: -v if v.is_floating_point() else v for k, v in content["network_weights"].items()}
    torch.save(content, model / "fold_1" / CHECKPOINT)
    best, said = "checkpoint_best.pth", []
    for fold in model.glob("fold_*"):
        (fold / CHECKPOINT).rename(fold / best)
    monkeypatch.setattr(run, "_BROKEN", 0)
    screen_folder(request_of(model=model, checkpoint=best, mirroring=False, save=["segmentation"]), said.append)
    for warning in (f"this is of {best}", "times as much was called unknown", "these are not: the promised rate"):
        assert any(warning in words for words in said)
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(use_mirroring=False, device=torch.device("cpu"), allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(str(model), (0, 1), best)
    files = [str(tmp_path / "images" / f"test_{k:04d}.nii.gz") for k in (0, 1)]
    expected = predictor.predict_from_files_sequential([files], None)[0]
    np.testing.assert_array_equal(read(tmp_path / "out" / "test.nii.gz"), expected)


def test_a_rate_that_the_validation_cannot_resolve_is_said(request_of, tmp_path):
    said = []
    result = screen_folder(request_of(fpr=1e-9, save=["unknown"]), said.append)
    assert any("the rate is not resolved" in words for words in said)
    assert result.threshold == json.loads((tmp_path / "out" / "calibration.json").read_text())["beyond"]
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="-o expects a folder"):
        screen_folder(request_of(output=tmp_path / "file"))


def test_cases_whose_files_would_be_each_others(request_of, tmp_path):
    for channel in (0, 1):
        shutil.copy(
            tmp_path / "images" / f"test_{channel:04d}.nii.gz", tmp_path / "images" / f"test_map_{channel:04d}.nii.gz"
        )
    with pytest.raises(ValueError, match=r"would have the same name: test_map\.nii\.gz"):
        screen_folder(request_of())
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "anomaly_maps.json").touch()
    with pytest.raises(ValueError, match=r"out holds maps of nnunet_uad predict, .* another -o"):
        screen_folder(request_of())
    for path in [*(tmp_path / "out").iterdir(), *(tmp_path / "images").glob("test_map_*")]:
        path.unlink()
    (tmp_path / "out" / "test.nii.gz").write_bytes(b"labels")
    with pytest.raises(ValueError, match=r"did not write: test\.nii\.gz"):
        screen_folder(request_of(save=["png"], overwrite=True))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["test.nii.gz"]
