import json

import pytest

from nnunet_uad.data.cohort import raw_cases, restricted_plans, unlabelled_cases


def dataset(root, channels, files, labels=()):
    (root / "imagesTr").mkdir(parents=True)
    (root / "labelsTr").mkdir()
    names = {str(k): n for k, n in enumerate(channels)}
    (root / "dataset.json").write_text(json.dumps({"channel_names": names, "file_ending": ".nii.gz"}))
    for name in files:
        (root / "imagesTr" / f"{name}.nii.gz").write_bytes(b"")
    for name in labels:
        (root / "labelsTr" / f"{name}.nii.gz").write_bytes(b"")
    return root


def test_channels_are_mapped_by_name_and_labels_may_be_missing(tmp_path):
    folder = dataset(tmp_path / "d", ["T1", "FLAIR"], ["a_0000", "a_0001", "b_0000", "b_0001"], ["a"])
    cases, failed = raw_cases(folder, ["flair", "T1"])
    assert [[p[-12:] for p in c.images] for c in cases] == [["_0001.nii.gz", "_0000.nii.gz"]] * 2
    assert [c.label is not None for c in cases] == [True, False] and not failed


def test_a_case_that_lacks_a_channel_is_named(tmp_path):
    folder = dataset(tmp_path / "d", ["FLAIR", "T1"], ["a_0000", "a_0001", "b_0000"])
    cases, failed = raw_cases(folder, ["FLAIR", "T1"])
    assert [c.identifier for c in cases] == ["a"] and failed == {"b": "there is no image of channel T1"}


def test_fewer_channels_are_refused_with_the_way_out(tmp_path):
    folder = dataset(tmp_path / "Dataset903_X", ["FLAIR"], ["a_0000"])
    with pytest.raises(ValueError, match=r"T1c is missing.*--channels FLAIR"):
        raw_cases(folder, ["FLAIR", "T1c"])


def test_listed_datasets(tmp_path):
    folder = dataset(tmp_path / "d", ["FLAIR"], [])
    content = json.loads((folder / "dataset.json").read_text())
    (folder / "label.nii.gz").write_bytes(b"")
    content["dataset"] = {"x": {"images": ["somewhere/x.nii.gz"], "label": "label.nii.gz"}}
    (folder / "dataset.json").write_text(json.dumps(content))
    cases, _ = raw_cases(folder, ["FLAIR"])
    assert cases[0].images[0].endswith("somewhere/x.nii.gz") and cases[0].label.endswith("label.nii.gz")


def test_no_description_and_no_complete_case(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="dataset.json"):
        raw_cases(tmp_path / "empty", ["FLAIR"])
    with pytest.raises(ValueError, match="no complete case"):
        raw_cases(dataset(tmp_path / "d", ["FLAIR", "T1"], ["a_0000"]), ["FLAIR", "T1"])


def test_plans_of_fewer_channels():
    plans = {
        "dataset_name": "D",
        "foreground_intensity_properties_per_channel": {"0": "a", "1": "b"},
        "configurations": {
            "2d": {"normalization_schemes": ["Z", "CT"], "use_mask_for_norm": [True, False]},
            "small": {"inherits_from": "2d"},
        },
    }
    description = {"channel_names": {"0": "FLAIR", "1": "CT"}}
    made, dataset_json = restricted_plans(plans, description, ["ct"])
    assert made["configurations"]["2d"] == {"normalization_schemes": ["CT"], "use_mask_for_norm": [False]}
    assert made["foreground_intensity_properties_per_channel"] == {"0": "b"}
    assert dataset_json["channel_names"] == {"0": "CT"} and len(plans["configurations"]["2d"]) == 2
    assert len(plans["configurations"]["2d"]["use_mask_for_norm"]) == 2


def test_unlabelled_cases(tmp_path):
    assert unlabelled_cases(tmp_path) == set()
    (tmp_path / "unlabelled_cases.json").write_text('["a"]')
    assert unlabelled_cases(tmp_path) == {"a"}
