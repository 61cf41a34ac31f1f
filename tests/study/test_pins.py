import json
import shutil

import pytest
import tiny

from nnunet_uad.study.layout import Layout
from nnunet_uad.study.pins import contents_of, pin_dataset, refuse_changed_cell, refuse_changed_pretraining
from nnunet_uad.study.running.job import run_job

DATA = "nnUNetPlans_2d_tiny"


@pytest.fixture
def own_raw(workplace):
    """A workplace whose raw data may be changed, with a further dataset that is tested on."""
    raw = workplace.folder / "raw"
    shutil.copytree(workplace.raw, raw)
    workplace.raw = raw
    further = raw / "Dataset992_Further"
    for part in ("imagesTr", "labelsTr"):
        (further / part).mkdir(parents=True)
    image, seg = tiny.tiny_case(77, True)
    for channel, volume in enumerate(image):
        tiny.write_image(volume, further / "imagesTr" / f"new_{channel:04d}.nii.gz")
    tiny.write_image(seg, further / "labelsTr" / "new.nii.gz")
    shutil.copy(raw / tiny.DATASET / "dataset.json", further)
    return workplace


def change_splits(place):
    splits = place.splits()
    splits[2]["train"] = splits[2]["val"]
    (place.source / "splits_final.json").write_text(json.dumps(splits))


def remove_folds(place):
    (place.source / "splits_final.json").write_text(json.dumps(place.splits()[:2]))


def copy(source, target):
    def change(place):
        shutil.copy(place.folder / source, place.folder / target)

    return change


def remove(path):
    return lambda place: (place.folder / path).unlink()


PRE, RAW = f"preprocessed/{tiny.DATASET}", f"raw/{tiny.DATASET}"
VAL, OTHER = tiny.LESION[2], tiny.HEALTHY[0]
FURTHER = "raw/Dataset992_Further"
CHANGES = {
    "splits": (change_splits, "splits_final.json has lesion_2, lesion_3 as train"),
    "folds removed": (remove_folds, "splits_final.json has 2 entries"),
    "images": (copy(f"{PRE}/{DATA}/{OTHER}.b2nd", f"{PRE}/{DATA}/{VAL}.b2nd"), f"images of {VAL}"),
    "images removed": (remove(f"{PRE}/{DATA}/{VAL}.b2nd"), f"images of {VAL}"),
    "labels": (copy(f"{PRE}/{DATA}/{OTHER}_seg.b2nd", f"{PRE}/{DATA}/{VAL}_seg.b2nd"), f"labels of {VAL}"),
    "test labels": (copy(f"{RAW}/labelsTr/{OTHER}.nii.gz", f"{PRE}/gt_segmentations/{VAL}.nii.gz"), f"labels of {VAL}"),
    "raw images": (
        copy(f"{RAW}/imagesTr/{OTHER}_0001.nii.gz", f"{RAW}/imagesTr/{VAL}_0001.nii.gz"),
        f"images of {VAL}",
    ),
    "raw images removed": (remove(f"{RAW}/imagesTr/{VAL}_0001.nii.gz"), f"raw images of {VAL}"),
    "further images": (
        copy(f"{RAW}/imagesTr/{OTHER}_0000.nii.gz", f"{FURTHER}/imagesTr/new_0000.nii.gz"),
        "Dataset992_Further changed since the study was planned: raw images of new",
    ),
    "further labels": (
        copy(f"{RAW}/labelsTr/{OTHER}.nii.gz", f"{FURTHER}/labelsTr/new.nii.gz"),
        "Dataset992_Further changed since the study was planned: test labels of new",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_underneath_a_study_is_refused_at_the_next_job(own_raw, change):
    layout = own_raw.plan(budgets=[1], draws=1, trainers={"scratch": "nnUNetTrainer"}, test=[992])
    (cell,) = layout.cells.values()
    refuse_changed_cell(layout, cell)
    function, words = CHANGES[change]
    function(own_raw)
    for stage in ("train", "test"):
        with pytest.raises(RuntimeError, match=words):
            run_job(layout, stage, cell.identifier)
    assert not layout.trained(cell.identifier).exists() and not (layout.folder / "done").exists()


def test_planning_again_refuses_changed_images(own_raw):
    changes = {"budgets": [1], "draws": 1, "trainers": {"scratch": "nnUNetTrainer"}}
    plan = own_raw.plan(**changes).plan
    assert own_raw.plan(**changes).plan == plan
    CHANGES["images"][0](own_raw)
    with pytest.raises(ValueError, match=rf"Dataset991_Tiny changed since the study was planned \(images of {VAL}\)"):
        own_raw.plan(**changes)


def test_a_pretraining_is_compared_with_the_plan(workplace):
    layout = workplace.plan(budgets=[1], draws=1)
    (identifier,) = layout.pretrainings
    refuse_changed_pretraining(layout, identifier)
    splits = workplace.splits()
    splits[0]["train"].append(VAL)
    (workplace.source / "splits_final.json").write_text(json.dumps(splits))
    with pytest.raises(RuntimeError, match="fold 0 of Dataset991_Tiny changed since the study was planned"):
        run_job(layout, "pretrain", identifier)


def test_a_study_that_an_earlier_version_planned_goes_on_and_says_so(workplace, capsys):
    layout = workplace.plan(budgets=[1], draws=1)
    plan = json.loads((layout.folder / "study.json").read_text())
    del plan["pins"]
    (layout.folder / "study.json").write_text(json.dumps(plan))
    layout = Layout(layout.folder)
    refuse_changed_cell(layout, next(iter(layout.cells.values())))
    refuse_changed_pretraining(layout, next(iter(layout.pretrainings)))
    assert capsys.readouterr().out.count("it cannot be checked whether images or labels changed") == 2


def test_a_case_that_was_not_pinned_is_known_by_name(workplace):
    pins = pin_dataset(workplace.raw, workplace.source, DATA, [VAL])
    assert contents_of(pins, [VAL, "x"])["x"] == () and len(contents_of(pins, [VAL])[VAL]) == 5
