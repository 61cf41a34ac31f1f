import json

import pytest

from nnunet_uad.common.nnunet_files import load_dataset_json, load_plans, load_splits

DATASET = {"channel_names": {"0": "FLAIR"}, "labels": {"background": 0, "lesion": 1}, "file_ending": ".nii.gz"}
REGIONS = {"labels": {"background": 0, "whole": [1, 2], "core": 2, "ignore": 3}, "regions_class_order": [1, 2]}
PLANS = {"plans_name": "nnUNetPlans", "configurations": {"2d": {"spacing": [1, 1]}}}
SPLITS = [{"train": ["a"], "val": ["b"]}]


@pytest.mark.parametrize(
    ("load", "content"),
    [
        (load_dataset_json, DATASET),
        (load_dataset_json, {**DATASET, **REGIONS, "reference": [], "numTraining": 4}),
        (load_plans, PLANS),
        (load_splits, SPLITS),
    ],
)
def test_nnunets_files_are_read_as_they_are(tmp_path, load, content):
    (tmp_path / "x.json").write_text(json.dumps(content))
    assert load(tmp_path / "x.json") == content


@pytest.mark.parametrize(
    ("load", "content", "said"),
    [
        (load_dataset_json, {**DATASET, "channel_names": ["FLAIR"]}, "channel_names expects names with values"),
        (load_dataset_json, {**DATASET, "channel_names": {}}, "channel_names expects at least one entry"),
        (load_dataset_json, {**DATASET, "channel_names": {"FLAIR": "0"}}, "FLAIR expects the name of a channel"),
        (
            load_dataset_json,
            {**DATASET, "modality": {}},
            "modality expects as many .* 1, found 0",
        ),
        (load_dataset_json, {**DATASET, "numTraining": "4"}, "numTraining expects a whole number, found '4'"),
        (load_dataset_json, {**DATASET, "dataset": []}, "dataset expects names with values"),
        (load_dataset_json, {**DATASET, "labels": {}}, "labels: background expects 0"),
        (
            load_dataset_json,
            {**DATASET, "labels": {"background": 0, "a": [1, 2]}},
            "regions_class_order expects",
        ),
        (load_dataset_json, {**DATASET, "file_ending": "nii"}, "file_ending expects the end of the files' names"),
        (load_dataset_json, {**DATASET, "labels": {"lesion": "1"}}, "labels: lesion expects a whole number"),
        (load_dataset_json, {**DATASET, "labels": {"lesion": [1, -1]}}, "labels: lesion expects a whole number"),
        (load_dataset_json, {**DATASET, "file_ending": 5}, "file_ending expects a word or text, found 5"),
        (load_plans, {**PLANS, "configurations": {"2d": 5}}, "configurations: 2d expects names with values, found 5"),
        (load_plans, {**PLANS, "plans_name": None}, "plans_name expects a word or text, found None"),
        (load_plans, {**PLANS, "plans_name": "../x"}, "plans_name expects a name of at most 100 letters"),
        (load_splits, {"train": [], "val": []}, "expects a list"),
        (load_splits, [{"train": ["a"]}], "lacks val"),
        (load_splits, [{"train": [1], "val": []}], "train expects a word or text, found 1"),
    ],
)
def test_damaged_ones_are_refused_by_name(tmp_path, load, content, said):
    (tmp_path / "x.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=rf"x\.json.*{said}.* Do this\.$"):
        load(tmp_path / "x.json", "Do this.")
