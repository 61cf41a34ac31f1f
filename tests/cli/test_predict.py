import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import tiny

from nnunet_uad.cli.main import main

TRAINER = "nnUNetPretrainerDAE_2epochs_3iters"
ALL = ("map", "reconstruction", "residual", "mask", "png")


def predict(images, output, *flags, trainer=TRAINER):
    fixed = f"-d {tiny.NUMBER} -c 2d_tiny -tr {trainer} -device cpu -npp 0 -nps 0".split()
    return main(["predict", "-i", str(images), "-o", str(output), *fixed, *flags])


@pytest.fixture
def images(dae_fold):
    return Path(os.environ["nnUNet_raw"]) / tiny.DATASET / "imagesTs"


def read(path):
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))


def test_everything_in_the_geometry_of_the_image(images, tmp_path):
    assert predict(images, tmp_path, "-f", "0", "--save", *ALL) == 0
    expected = ["map", "mask", "reconstruction_0000", "reconstruction_0001", "residual_0000", "residual_0001"]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        [*(f"test_{n}.nii.gz" for n in expected), "test_montage.png", "anomaly_maps.json", "input_images.json"]
    )
    source = SimpleITK.ReadImage(str(images / "test_0000.nii.gz"))
    for name in expected:
        image = SimpleITK.ReadImage(str(tmp_path / f"test_{name}.nii.gz"))
        for get in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
            assert np.allclose(getattr(image, get)(), getattr(source, get)(), atol=1e-5), (name, get)
    record = json.loads((tmp_path / "anomaly_maps.json").read_text())
    threshold = record["mask_threshold"]
    assert threshold == record["thresholds"]["fpr:0.01"]["value"]
    assert np.array_equal(read(tmp_path / "test_mask.nii.gz") > 0, read(tmp_path / "test_map.nii.gz") >= threshold)
    inside = SimpleITK.GetArrayFromImage(source) > 0
    assert (read(tmp_path / "test_map.nii.gz")[inside] > 0).mean() > 0.95


@pytest.mark.slow
def test_the_same_seed_gives_the_same_files_and_workers_change_nothing(images, tmp_path):
    for name, flags in {"a": (), "b": ("-npp", "1", "-nps", "1")}.items():
        assert predict(images, tmp_path / name, "--save", "map", "png", *flags) == 0
    for name in ("test_map.nii.gz", "test_montage.png"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_finished_cases_are_skipped_unless_overwritten(images, tmp_path, capsys):
    assert predict(images, tmp_path) == 0
    stamp = (tmp_path / "test_map.nii.gz").stat().st_mtime_ns
    assert predict(images, tmp_path) == 0
    assert "1 of 1 cases are done already" in capsys.readouterr().out
    assert (tmp_path / "test_map.nii.gz").stat().st_mtime_ns == stamp
    assert predict(images, tmp_path, "--score", "smoothing_mm=5") == 1
    assert "made differently (score)" in capsys.readouterr().err
    assert predict(images, tmp_path, "--score", "smoothing_mm=5", "--overwrite") == 0
    assert (tmp_path / "test_map.nii.gz").stat().st_mtime_ns != stamp


def test_bad_images_are_listed_and_the_others_done(images, tmp_path, capsys):
    source = tmp_path / "in"
    shutil.copytree(images, source)
    (source / "broken_0000.nii.gz").write_bytes(b"x")
    (source / "broken_0001.nii.gz").write_bytes(b"x")
    shutil.copy(source / "test_0000.nii.gz", source / "half_0000.nii.gz")
    assert predict(source, tmp_path / "out") == 1
    err = capsys.readouterr().err
    assert "2 case(s) could not be predicted" in err and "half: expected 2 channel(s)" in err and "broken: " in err
    assert (tmp_path / "out" / "test_map.nii.gz").exists()


def test_what_cannot_work_is_refused_before_it_starts(images, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    for arguments, message in (
        ((tmp_path / "empty", tmp_path / "o"), "holds no image"),
        ((images, tmp_path / "o", "-f", "4"), "Folds that have it: fold_0"),
        ((images, tmp_path / "o", "--save", "mask", "--threshold", "many"), "Stored: best, fpr:0.001"),
        ((images, tmp_path / "o", "--save", "mask", "--score", "median_mm=3"), "--val"),
        ((images, tmp_path / "o", "--score", "medianmm=3"), "Did you mean 'median_mm'"),
    ):
        assert predict(*arguments) == 1
        assert message in capsys.readouterr().err
    assert predict(images, tmp_path / "o", trainer="nnUNetTrainerDAEPretrained") == 1
    assert "for nnUNetv2_predict" in capsys.readouterr().err
    assert predict(images, tmp_path / "o", trainer="nnUNetPretrainerDAE") == 1
    assert TRAINER in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_images_of_the_training_are_a_loud_word(dae_fold, tmp_path, capsys):
    source = tmp_path / "in"
    source.mkdir()
    for path in (Path(os.environ["nnUNet_raw"]) / tiny.DATASET / "imagesTr").glob("healthy_0_*"):
        shutil.copy(path, source)
    assert predict(source, tmp_path / "out") == 0
    assert "LEAKAGE? 1 case(s)" in capsys.readouterr().out
