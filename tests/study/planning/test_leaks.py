import json
import shutil

import pytest
import SimpleITK
import tiny

from nnunet_uad.data.preprocess import CohortRequest, preprocess_cohort

SMALL = {"budgets": [1], "draws": 1, "trainers": {"scratch": "nnUNetTrainer"}}
TRAIN, VAL = tiny.LESION[0], tiny.LESION[2]


def further(place, name="new", case=TRAIN, changed=0, labelled=True, compress=True, ending=".nii.gz"):
    """A further dataset with one case of the study's, under a name, and perhaps with changed voxels."""
    source, folder = place.raw / tiny.DATASET, place.folder / "raw" / "Dataset992_Further"
    shutil.copytree(place.raw, place.folder / "raw")
    for part in ("imagesTr", "labelsTr"):
        (folder / part).mkdir(parents=True)
    for channel in (0, 1):
        image = SimpleITK.ReadImage(str(source / "imagesTr" / f"{case}_{channel:04d}.nii.gz"))
        image = SimpleITK.Cast(image, SimpleITK.sitkFloat64) + changed
        SimpleITK.WriteImage(image, str(folder / "imagesTr" / f"{name}_{channel:04d}{ending}"), compress)
    if labelled:
        shutil.copy(source / "labelsTr" / f"{case}.nii.gz", folder / "labelsTr" / f"{name}.nii.gz")
    shutil.copy(source / "dataset.json", folder)
    place.raw = place.folder / "raw"
    return folder


@pytest.mark.parametrize("name", [TRAIN, TRAIN.upper(), f"{TRAIN} ", "renamed", f"{TRAIN}.nii"])
def test_a_test_dataset_that_repeats_training_cases_is_refused(workplace, name):
    further(workplace, name)
    before = workplace.splits()
    with pytest.raises(ValueError, match=rf"LEAKAGE: 1 case\(s\) of Dataset992_Further, .* {TRAIN}"):
        workplace.plan(test=[992], **SMALL)
    assert workplace.splits() == before and not (workplace.folder / "study" / "study.json").exists()


def test_a_test_dataset_of_other_scans_is_welcome(workplace, capsys):
    further(workplace, "other", changed=7)
    workplace.plan(test=[992], **SMALL)
    assert "LEAKAGE" not in capsys.readouterr().out


def test_equal_names_of_other_scans_are_said(workplace, capsys):
    further(workplace, TRAIN, changed=7)
    workplace.plan(test=[992], **SMALL)
    assert "WARNING: LEAKAGE? 1 case(s) of Dataset992_Further" in capsys.readouterr().out


@pytest.mark.parametrize("part", ["train", "val"])
def test_an_overlapping_fold_is_refused_without_any_pretraining(workplace, part):
    splits = workplace.splits()
    splits[0][part] = [*splits[0][part], VAL if part == "train" else TRAIN]
    (workplace.source / "splits_final.json").write_text(json.dumps(splits))
    with pytest.raises(ValueError, match=r"LEAKAGE: 1 test case\(s\) of the study .* of fold 0 of Dataset991_Tiny"):
        workplace.plan(**SMALL)


@pytest.mark.parametrize("name", [f"{VAL} ", f"{VAL}.nii.gz", VAL.upper(), "missing"])
def test_a_fold_that_names_cases_that_are_not_there_is_refused(workplace, name):
    """Left out in silence, a test case would be missing in all scores."""
    splits = workplace.splits()
    splits[0]["val"] = [name, *splits[0]["val"][1:]]
    (workplace.source / "splits_final.json").write_text(json.dumps(splits))
    with pytest.raises(ValueError, match=f"Fold 0 in .* names cases that are not preprocessed: '{name}'"):
        workplace.plan(**SMALL)


def test_a_renamed_copy_on_the_other_side_of_a_fold_is_refused(workplace):
    data = workplace.source / "nnUNetPlans_2d_tiny"
    for path in data.glob(f"{VAL}*"):
        shutil.copy(path, path.with_name(path.name.replace(VAL, "renamed")))
    splits = workplace.splits()
    splits[0]["train"].append("renamed")
    (workplace.source / "splits_final.json").write_text(json.dumps(splits))
    with pytest.raises(ValueError, match=rf"{VAL} \(the images of renamed\)"):
        workplace.plan(**SMALL)


@pytest.mark.parametrize("configured", ["same plans", "remembered"])
def test_unlabelled_copies_of_test_cases_must_not_join_a_pretraining(workplace, configured):
    folder = further(workplace, "u_1", VAL, labelled=False)
    target = workplace.preprocessed / "Dataset907_Mixed"
    raw = [workplace.raw / tiny.DATASET, folder]
    assert not preprocess_cohort(CohortRequest(raw, workplace.source, "nnUNetPlans", ["2d_tiny"], target))
    if configured == "remembered":
        (workplace.source / "image_contents.json").unlink(missing_ok=True)
        shutil.copy(target / "nnUNetPlans_2d_tiny" / f"{TRAIN}.b2nd", target / "nnUNetPlans_2d_tiny" / "u_1.b2nd")
    changes = {"trainers": {"DAE": "nnUNetTrainerDAEPretrained"}, "pretraining": {"dataset": "907", "epochs": 1}}
    with pytest.raises(ValueError, match=rf"LEAKAGE: 1 .* stage one .*{VAL} \(the images of u_1\)"):
        workplace.plan(**{**SMALL, **changes, "pretraining": {"dataset": "Dataset907_Mixed", "epochs": 1}})
