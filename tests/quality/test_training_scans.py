import json
import shutil

import numpy as np
import pytest
import tiny

from nnunet_uad.quality import training_scans
from nnunet_uad.quality.names import PROFILES_FOLDER
from nnunet_uad.quality.training_scans import TrainingScans, read_profile, write_profile


def scans_of(**changes):
    return TrainingScans.named(**{"dataset": tiny.NUMBER, "plans": "nnUNetPlans", "configuration": "2d_tiny"} | changes)


def test_the_reference_is_made_once_and_kept(preprocessed, monkeypatch):
    told = []
    made = scans_of().reference(told.append)
    assert len(made.values) == 8 and made.setup.channels == ("FLAIR", "T1") and set(made.axes) == {"RAS"}
    assert not (preprocessed / PROFILES_FOLDER).exists() and "Reference of 8 training scans" in told[-1]
    assert "healthy" not in (preprocessed / "scan_reference.safetensors").read_bytes().decode("latin-1")
    monkeypatch.setattr(training_scans, "scan_profile", None)
    again = scans_of().reference(told.append)
    np.testing.assert_allclose(again.values, made.values, atol=1e-4)
    assert len(told) == 1


def test_other_training_scans_make_another_reference(preprocessed, tmp_path):
    told = []
    scans_of().reference(told.append)
    raw = tmp_path / "nnUNet_raw" / tiny.DATASET / "imagesTr"
    for path in raw.glob(f"{tiny.LESION[0]}_*"):
        path.unlink()
    assert len(scans_of().reference(told.append).values) == 7
    assert "it is made anew" in told[1]


def test_of_a_fold_alone_and_of_what_an_interrupted_run_left(preprocessed, monkeypatch):
    read = []
    whole = training_scans.scan_profile
    monkeypatch.setattr(
        training_scans, "scan_profile", lambda files, setup: (read.append(files), whole(files, setup))[1]
    )

    def killed(*arguments):
        raise KeyboardInterrupt("in the middle")

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt, match="in the middle"):
        patch.setattr(training_scans.Reference, "of", killed)
        scans_of(fold=0).reference(print)
    assert len(read) == 5 and len(list((preprocessed / PROFILES_FOLDER).glob("*.safetensors"))) == 5
    made = scans_of(fold=0).reference(lambda told: None)
    assert len(read) == 5 and len(made.values) == 5 and (preprocessed / "scan_reference_fold_0.safetensors").is_file()


def test_without_training_scans_the_kept_one_is_used_and_that_is_said(preprocessed, monkeypatch):
    with monkeypatch.context() as patch:
        patch.delenv("nnUNet_raw")
        with pytest.raises(FileNotFoundError, match="made once, from their images, but nnUNet_raw holds no Dataset991"):
            scans_of().reference(print)
    told = []
    scans_of().reference(told.append)
    monkeypatch.delenv("nnUNet_raw")
    assert len(scans_of().reference(told.append).values) == 8
    assert "is used unchecked" in told[-1]


def test_a_damaged_training_scan_is_left_out(preprocessed, tmp_path):
    path = tmp_path / "nnUNet_raw" / tiny.DATASET / "imagesTr" / f"{tiny.LESION[0]}_0000.nii.gz"
    path.write_bytes(path.read_bytes()[:200])
    told = []
    assert len(scans_of().reference(told.append).values) == 7
    assert f"1 training scan(s) cannot be read and are no part of the reference: {tiny.LESION[0]}" in told[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"configuration": "3d"}, "have no configuration '3d'"),
        ({"plans": "otherPlans"}, "otherPlans.json does not exist. Plan and preprocess"),
        ({"fold": 7}, "has 2 fold"),
        ({"dataset": "77"}, "Expected one dataset '77'"),
    ],
)
def test_what_is_not_there_is_named(preprocessed, changes, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        scans_of(**changes).reference(print)


def test_units_that_mean_something_come_from_the_plans(preprocessed):
    path = preprocessed / "nnUNetPlans.json"
    plans = json.loads(path.read_text())
    for configuration in plans["configurations"].values():
        if "normalization_schemes" in configuration:
            configuration["normalization_schemes"] = ["CTNormalization", "ZScoreNormalization"]
    path.write_text(json.dumps(plans))
    made = scans_of().reference(lambda told: None)
    assert made.setup.absolute == (True, False)
    assert "value 50:0" in made.names and "value 50:1" not in made.names and "skew:1" in made.names


def test_missing_cases_of_a_fold_are_named(preprocessed, tmp_path):
    for path in (tmp_path / "nnUNet_raw" / tiny.DATASET / "imagesTr").glob(f"{tiny.LESION[0]}_*"):
        path.unlink()
    with pytest.raises(ValueError, match=f"lacks 1 training case.* of fold 0: {tiny.LESION[0]}"):
        scans_of(fold=0).reference(print)


def test_profiles_of_another_version_are_refused(preprocessed, tmp_path, monkeypatch, reference):
    raw = tmp_path / "nnUNet_raw" / tiny.DATASET / "imagesTr"
    files = [str(raw / f"{tiny.LESION[0]}_{k:04d}.nii.gz") for k in range(2)]
    write_profile(files, reference.setup, tmp_path / "p")
    assert read_profile(tmp_path / "p").axes == "RAS"
    monkeypatch.setattr(training_scans, "VERSION", 99)
    with pytest.raises(ValueError, match="is of version 1, 99 is expected"):
        read_profile(tmp_path / "p")
    shutil.rmtree(raw)
