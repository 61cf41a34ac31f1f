import json

import pytest

from nnunet_uad.evaluation.baseline_channels import baseline_channel

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
        ("ct:0", (), "expects intensity:CHANNEL"),
        ("intensity:", (), "expects intensity:CHANNEL"),
        ("intensity:CT", (), "Nobody knows .*--channels CT"),
        ("intensity:T2", ("FLAIR", "T1"), r"No channel is named 'T2' \(FLAIR, T1\)"),
        ("intensity:CT", ("CT", "CT"), "Several channels are named 'CT'.*intensity:0"),
    ],
)
def test_what_cannot_be_told_is_refused(folders, baseline, channels, message):
    with pytest.raises(ValueError, match=message):
        baseline_channel(baseline, folders / "case/images", channels=channels)
