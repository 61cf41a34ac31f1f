import json

import pytest

from nnunet_uad.evaluation.baseline_channels import baseline_channel, baselines_beside
from nnunet_uad.evaluation.floors import Floor

NAMES = {"channel_names": {"0": "FLAIR", "1": "T1"}, "file_ending": ".nii.gz"}


@pytest.fixture
def folders(tmp_path, monkeypatch):
    monkeypatch.setenv("nnUNet_results", str(tmp_path / "results"))
    for name in ("case/images", "dataset/labelsTr", "maps", "results/D/model/fold_0/validation"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def test_a_number_needs_no_names(folders):
    assert baseline_channel("intensity:1", folders / "case/images") == 1


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("case/dataset.json", NAMES),
        ("maps/anomaly_maps.json", {"channels": ["FLAIR", "T1"]}),
        ("maps/anomaly_maps.json", {"model": {"dataset": "D", "folder": "model"}}),
        ("dataset/dataset.json", NAMES),
    ],
)
def test_names_come_from_whoever_knows_them(folders, file, content):
    for path, value in {"results/D/model/dataset.json": NAMES, "results/D/model/plans.json": {}, file: content}.items():
        (folders / path).write_text(json.dumps(value))
    assert baseline_channel("intensity:t1", folders / "case/images", [folders / "maps"], folders / "dataset/labelsTr")


def test_a_folds_own_validation_knows_its_model(folders):
    model = folders / "results/D/model"
    for name, value in {"dataset.json": NAMES, "plans.json": {}}.items():
        (model / name).write_text(json.dumps(value))
    assert baseline_channel("intensity:T1", folders / "case/images", [model / "fold_0/validation"]) == 1


def test_names_that_are_typed_come_first(folders):
    (folders / "case/dataset.json").write_text(json.dumps(NAMES))
    assert baseline_channel("intensity:T1", folders / "case/images", channels=["T1", "FLAIR"]) == 0


@pytest.mark.parametrize(
    ("baseline", "channels", "message"),
    [
        ("ct:0", (), "expects intensity:CHANNEL or robust_z:CHANNEL"),
        ("robust_z:-", (), "expects intensity:CHANNEL or robust_z:CHANNEL"),
        ("robust_z:T2", ("FLAIR", "T1"), r"No channel is named 'T2'.*robust_z:0"),
        ("intensity:", (), "expects intensity:CHANNEL"),
        ("intensity:CT", (), "Nobody knows .*--channels CT"),
        ("intensity:T2", ("FLAIR", "T1"), r"No channel is named 'T2' \(FLAIR, T1\)"),
        ("intensity:CT", ("CT", "CT"), "Several channels are named 'CT'.*intensity:0"),
    ],
)
def test_what_cannot_be_told_is_refused(folders, baseline, channels, message):
    with pytest.raises(ValueError, match=message):
        baseline_channel(baseline, folders / "case/images", channels=channels)


def record(folders, **content):
    (folders / "maps/anomaly_maps.json").write_text(json.dumps(content))
    return [folders / "maps"]


def test_without_a_word_the_floor_is_that_of_the_channel_that_the_score_weights_most(folders):
    channels = ["T1", "FLAIR"]
    assert baselines_beside([], folders / "case/images", channels=channels).floors == (Floor(1, "FLAIR"),)
    maps = record(folders, channels=channels, score={"channel_weights": "T1:-1", "residual": "signed"})
    found = baselines_beside([], folders / "case/images", maps)
    assert found.floors == (Floor(0, "T1", -1),) and not found.equalised and not found.warnings


def test_the_order_of_the_files_counts_whatever_the_models_order_is(folders):
    maps = record(folders, channels=["FLAIR", "T1"], score={"channel_weights": "FLAIR:1,T1:-1"})
    images, files = folders / "case/images", ["T1", "FLAIR"]
    assert baselines_beside([], images, maps, channels=files).floors == (Floor(1, "FLAIR"),)
    found = baselines_beside(["robust_z:T1", "robust_z:FLAIR"], images, maps, channels=files)
    assert found.floors == (Floor(0, "T1", -1), Floor(1, "FLAIR"))
    with pytest.raises(ValueError, match="No channel is named 'FLAIR'"):
        baselines_beside([], images, maps, channels=["T1", "T2"])


def test_floors_of_the_channels_that_are_named(folders):
    maps = record(folders, channels=["FLAIR", "T1"], score={"channel_weights": "FLAIR:1,T1:-1"})
    found = baselines_beside(["intensity:flair", "robust_z:FLAIR", "robust_z:T1"], folders / "case/images", maps)
    assert found.floors == (Floor(0, "flair"), Floor(1, "T1", -1)) and found.equalised == {"intensity:flair": 0}
    assert baselines_beside(["robust_z:-FLAIR"], folders / "case/images", maps).floors == (Floor(0, "FLAIR", -1),)


def test_where_nobody_knows_the_channels_the_first_is_taken_and_that_is_said(folders):
    images = folders / "case/images"
    (images / "a_0000.nii.gz").touch()
    assert baselines_beside([], images).floors == (Floor(0, "0"),) and not baselines_beside([], images).warnings
    (images / "a_0001.nii.gz").touch()
    found = baselines_beside([], images)
    assert found.floors == (Floor(0, "0"),) and "which of the 2 channels" in found.warnings[0]
    assert baselines_beside(["robust_z:1"], images).floors == (Floor(1, "1"),)


def test_a_damaged_score_in_the_record_is_refused(folders):
    with pytest.raises(ValueError, match="score of the maps: .*smoothing_mm"):
        baselines_beside([], folders / "case/images", record(folders, score={"smoothing_mm": "much"}))
