import json

import pytest

from nnunet_uad.data.cohort import channel_positions, raw_cases, restricted_plans, unlabelled_cases


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


def listed(folder, cases):
    content = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps({**content, "dataset": cases}))
    return raw_cases(folder, ["FLAIR"])


def test_cases_listed_in_dataset_json_may_lack_labels(tmp_path, monkeypatch):
    folder = dataset(tmp_path / "d", ["FLAIR"], [])
    for name in ("x.nii.gz", "label.nii.gz"):
        (tmp_path / name).write_bytes(b"")
    monkeypatch.setenv("SOMEWHERE", str(tmp_path))
    images = ["$SOMEWHERE/x.nii.gz"]
    entries = {"x": {"images": images, "label": "../label.nii.gz"}, "y": {"images": images}, "z": {"images": images}}
    entries["z"]["label"] = None
    cases, failed = listed(folder, entries)
    assert [c.label is not None for c in cases] == [True, False, False] and not failed
    assert {c.images for c in cases} == {(str(tmp_path / "x.nii.gz"),)}


@pytest.mark.parametrize(
    ("cases", "message"),
    [
        ({f"k{i}": {"images": ["none_0000.nii.gz"]} for i in range(9)}, r"lists 9 file\(s\) that do not exist.*4 more"),
        ({"x": {"label": "a"}}, "x expects"),
        ({"x": {"images": "a"}}, "x expects"),
        ({"x": {"images": [3]}}, "x expects"),
        ({"x": ["a"]}, "x expects"),
        ({"../x": {"images": ["a"]}}, "../x expects"),
        (["x"], "dataset expects"),
    ],
)
def test_listed_cases_that_cannot_be_are_refused_at_once(tmp_path, cases, message):
    with pytest.raises(ValueError, match=message):
        listed(dataset(tmp_path / "d", ["FLAIR"], []), cases)


@pytest.mark.parametrize(
    ("present", "wanted", "positions"),
    [
        ({"0": "CT", "1": "CT"}, ["CT", "CT"], [0, 1]),
        ({"1": "T1", "2": "FLAIR"}, ["T1", "FLAIR"], [0, 1]),
        ({"1": "T1", "2": "FLAIR"}, ["flair "], [1]),
        ({"0": "PET", "1": "CT", "2": "CT"}, ["CT", "CT", "PET"], [1, 2, 0]),
    ],
)
def test_channels_are_files_by_their_order(present, wanted, positions):
    assert channel_positions({"channel_names": present}, wanted, "D") == positions


def test_one_of_several_channels_of_a_name_is_nobodys_guess():
    with pytest.raises(ValueError, match="D has 2 channels named CT"):
        channel_positions({"channel_names": {"0": "CT", "1": "CT"}}, ["CT"], "D")
    with pytest.raises(ValueError, match="CT is missing"):
        channel_positions({"channel_names": {"0": "CT", "1": "T1"}}, ["CT", "CT"], "D")


def test_what_would_be_passed_over_is_named(tmp_path):
    folder = dataset(tmp_path / "d", ["FLAIR"], ["a_0000", "b_0000", "c_seg_0000", "d_0000"])
    (folder / "labelsTr" / "a.nii").write_bytes(b"")
    (folder / "imagesTr" / "b_0000.nii.gz").rename(folder / "imagesTr" / "b_0000.nrrd")
    cases, failed = raw_cases(folder, ["FLAIR"])
    assert [c.identifier for c in cases] == ["d"]
    assert "its label is a.nii" in failed["a"] and "its images are .nrrd" in failed["b"] and "_seg" in failed["c_seg"]


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
