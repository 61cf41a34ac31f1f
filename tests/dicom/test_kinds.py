import numpy as np
import pytest

from nnunet_uad.dicom.kinds import files_of_cases, segments_of

DATASET = {"labels": {"background": 0, "tumour": 1, "oedema": 2, "ignore": 3}}


def files(folder, *names, cases=("a", "a_map", "b")):
    """Files of these names, by name."""
    for name in names:
        (folder / name).touch()
    found, others = files_of_cases(folder, cases)
    return {file.name: file for file in found}, others


def test_files_belong_to_the_longest_case_that_fits(tmp_path):
    found, others = files(
        tmp_path,
        "a.nii.gz",
        "a_map.nii.gz",
        "a_map_map.nii.gz",
        "b_residual_0001.nii.gz",
        "b_x.nii.gz",
        "a_montage.png",
    )
    cases = {name: (file.case, file.words, file.series_number) for name, file in found.items()}
    assert cases == {
        "a": ("a", "segmentation", 9001),
        "a_map": ("a_map", "segmentation", 9001),
        "a_map_map": ("a_map", "anomaly map", 9004),
        "b_residual_0001": ("b", "residual, channel 1", 9201),
    }
    assert others == ["b_x.nii.gz"]


@pytest.mark.parametrize(
    ("name", "values", "dataset", "expected"),
    [
        ("b_map", [0, 1], None, None),
        ("b", [0.5, 1.0], None, None),
        ("b_mask", [0, 1], None, {1: "anomaly"}),
        ("b_mask", [0.0, 0.0], None, {1: "anomaly"}),
        ("b_unknown", [0, 3, 1], None, {1: "unknown finding 1", 3: "unknown finding 3"}),
        ("b_unknown", [0, 0], None, {1: "unknown finding"}),
        ("b", [0, 4], None, {4: "label 4"}),
        ("b", [0, 2], DATASET, {1: "tumour", 2: "oedema"}),
    ],
)
def test_labels_are_named(tmp_path, name, values, dataset, expected):
    found, _ = files(tmp_path, f"{name}.nii.gz", cases=["b"])
    assert segments_of(found[name], np.array(values), dataset) == expected


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("b", [0, 5], "label 5, which dataset.json does not name; it has 1"),
        ("b", [-1, 1], "holds the label -1"),
        ("b_mask", [0, 0.5], "0.5, which is no label"),
    ],
)
def test_what_is_no_label_is_refused(tmp_path, name, values, message):
    found, _ = files(tmp_path, f"{name}.nii.gz", cases=["b"])
    with pytest.raises(ValueError, match=message):
        segments_of(found[name], np.array(values), DATASET)
