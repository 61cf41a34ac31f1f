import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import tiny
from hypothesis import given
from hypothesis import strategies as st
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2

from nnunet_uad.cli.main import main
from nnunet_uad.common.lock import folder_lock
from nnunet_uad.data.preprocess import make_splits


@pytest.fixture
def unlabelled(tiny_dataset, tmp_path, monkeypatch):
    """A raw dataset without labels, of FLAIR only and with another grid; raw and preprocessed roots of its own."""
    raw, preprocessed = tmp_path / "raw", tmp_path / "preprocessed"
    preprocessed.mkdir()
    folder = raw / "Dataset993_Unlabelled"
    (folder / "imagesTr").mkdir(parents=True)
    for k in range(2):
        tiny.write_image(tiny.tiny_case(50 + k, False)[0][0][:, ::2], folder / "imagesTr" / f"u_{k}_0000.nii.gz")
    description = {"channel_names": {"0": "FLAIR"}, "labels": {"background": 0}, "file_ending": ".nii.gz"}
    (folder / "dataset.json").write_text(json.dumps(description))
    (raw / tiny.DATASET).symlink_to(Path(os.environ["nnUNet_raw"]) / tiny.DATASET)
    (preprocessed / tiny.DATASET).symlink_to(tiny_dataset)
    monkeypatch.setenv("nnUNet_raw", str(raw))
    monkeypatch.setenv("nnUNet_preprocessed", str(preprocessed))
    return preprocessed


def preprocess(*flags):
    return main(["preprocess", "--like", tiny.NUMBER, "-c", "2d_tiny", "-np", "0", *flags])


def test_unlabelled_with_selected_channels(unlabelled, capsys):
    assert preprocess("-d", "993") == 1
    assert "--channels FLAIR" in capsys.readouterr().err
    assert preprocess("-d", "993", "--channels", "FLAIR") == 0
    folder = unlabelled / "Dataset993_Unlabelled"
    plans = json.loads((folder / "nnUNetPlans.json").read_text())
    assert plans["dataset_name"] == folder.name
    dataset = nnUNetDatasetBlosc2(str(folder / plans["configurations"]["2d_tiny"]["data_identifier"]))
    assert sorted(dataset.identifiers) == ["u_0", "u_1"]
    data, seg, _, properties = dataset.load_case("u_0")
    assert data.shape[0] == 1 and set(np.unique(seg[:])) <= {-1, 0}
    assert {k: len(v) for k, v in properties["class_locations"].items()} == {1: 0, 2: 0}
    assert json.loads((folder / "unlabelled_cases.json").read_text()) == ["u_0", "u_1"]
    assert json.loads((folder / "splits_final.json").read_text())[0]["val"]
    assert json.loads((folder / "dataset.json").read_text())["channel_names"] == {"0": "FLAIR"}


def test_one_process_writes_into_a_dataset(unlabelled, capsys):
    with folder_lock(unlabelled / "Dataset993_Unlabelled"):
        assert preprocess("-d", "993", "--channels", "FLAIR") == 1
    assert "Dataset993_Unlabelled is being written already by process" in capsys.readouterr().err
    assert not (unlabelled / "Dataset993_Unlabelled").exists()


def test_a_case_that_does_not_fit_is_not_there(unlabelled, capsys, monkeypatch):
    """blosc2 writes a part and may say nothing; what was written is read before it gets its name."""
    save = nnUNetDatasetBlosc2.save_case

    def cut(data, seg, properties, truncated, **options):
        save(data, seg, properties, truncated, **options)
        os.truncate(f"{truncated}.b2nd", os.path.getsize(f"{truncated}.b2nd") // 2)

    monkeypatch.setattr(nnUNetDatasetBlosc2, "save_case", staticmethod(cut))
    assert preprocess("-d", "993", "--channels", "FLAIR") == 1
    assert "2 case(s) could not be preprocessed" in capsys.readouterr().err
    assert not list((unlabelled / "Dataset993_Unlabelled").rglob("u_*"))


@pytest.mark.slow
def test_a_mixed_cohort_keeps_the_folds_and_trains_both_stages(unlabelled, results, monkeypatch):
    flags = ("-d", tiny.NUMBER, "993", "--channels", "FLAIR", "-o", "Dataset994_Mixed")
    assert preprocess(*flags) == 0
    folder = unlabelled / "Dataset994_Mixed"
    splits = json.loads((folder / "splits_final.json").read_text())
    like = json.loads((unlabelled / tiny.DATASET / "splits_final.json").read_text())
    assert [s["val"] for s in splits] == [s["val"] for s in like]
    assert splits[0]["train"] == [*like[0]["train"], "u_0", "u_1"]
    assert len(list((folder / "gt_segmentations").iterdir())) == 8
    fold = run(994, "nnUNetPretrainerDAE_1epochs_2iters")
    from nnunet_uad.weights.safe_file import read_pretrained

    record = read_pretrained(fold / "pretrained.safetensors")[1]
    seen = record.seen
    assert all(map(seen.find, ("u_0", "u_1", "lesion_0"))) and record.channel_names == ("FLAIR",)
    # Fine-tuning never takes a case that nobody labelled for a healthy one.
    trainer = tiny.make_trainer("nnUNetTrainerFromScratch_1epochs_1iters", number="994")
    assert trainer.do_split()[0] == like[0]["train"]
    # The weights of one dataset serve another one with more channels, through the variable.
    monkeypatch.setenv("nnUNet_uad_pretrained", str(fold / "pretrained.safetensors"))
    tuned = run(991, "nnUNetTrainerDAEPretrained_1epochs_1iters")
    assert json.loads((tuned / "transfer.json").read_text())["share"]["encoder"] == 1.0


def run(number, trainer):
    made = tiny.make_trainer(trainer, number=str(number))
    made.run_training()
    made.perform_actual_validation()
    return Path(made.output_folder)


def test_training_supervised_on_unlabelled_cases_only_is_refused(unlabelled, results):
    assert preprocess("-d", "993", "--channels", "FLAIR") == 0
    with pytest.raises(ValueError, match="None of the 1 training cases of fold 0 has labels"):
        tiny.make_trainer("nnUNetTrainerFromScratch", number="993").do_split()


def test_running_again_repeats_nothing_and_a_spoilt_case_stops_no_other(unlabelled, capsys):
    raw = Path(os.environ["nnUNet_raw"]) / "Dataset993_Unlabelled" / "imagesTr"
    (raw / "u_2_0000.nii.gz").write_bytes(b"no image")
    assert preprocess("-d", "993", "--channels", "FLAIR") == 1
    err = capsys.readouterr().err
    assert "1 case(s) could not be preprocessed" in err and "u_2" in err
    folder = unlabelled / "Dataset993_Unlabelled" / "nnUNetPlans_2d_tiny"
    before = {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}
    assert set(before) == {f"u_{k}{e}" for k in (0, 1) for e in (".b2nd", "_seg.b2nd", ".pkl")}
    shutil.copy(raw / "u_1_0000.nii.gz", raw / "u_2_0000.nii.gz")
    assert preprocess("-d", "993", "--channels", "FLAIR") == 0
    after = {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}
    assert {k: after[k] for k in before} == before and len(after) == 9
    assert len(json.loads((folder.parent / "unlabelled_cases.json").read_text())) == 3


@pytest.fixture
def cohort(tiny_dataset, tmp_path, monkeypatch):
    """A function that preprocesses cases of the tiny dataset; the raw folder may be changed in between."""
    raw, preprocessed = tmp_path / "raw" / "Dataset996_Cohort", tmp_path / "preprocessed"
    (raw / "imagesTr").mkdir(parents=True)
    (raw / "labelsTr").mkdir()
    preprocessed.mkdir()
    (preprocessed / tiny.DATASET).symlink_to(tiny_dataset)
    source = Path(os.environ["nnUNet_raw"]) / tiny.DATASET
    shutil.copy(source / "dataset.json", raw)
    for case in tiny.LESION[:2]:
        for path in (source / "imagesTr").glob(f"{case}_*"):
            shutil.copy(path, raw / "imagesTr")
    monkeypatch.setenv("nnUNet_raw", str(raw.parent))
    monkeypatch.setenv("nnUNet_preprocessed", str(preprocessed))
    return raw, preprocessed / raw.name, source / "labelsTr"


def labels_of(folder, case):
    seg = nnUNetDatasetBlosc2(str(folder / "nnUNetPlans_2d_tiny")).load_case(case)[1]
    return set(np.unique(seg[:]).tolist())


def test_what_was_labelled_changed_or_withdrawn_is_noticed(cohort, capsys):
    raw, folder, labels = cohort
    first, second = tiny.LESION[:2]
    assert preprocess("-d", "996") == 0 and labels_of(folder, first) == {-1, 0}
    shutil.copy(labels / f"{first}.nii.gz", raw / "labelsTr")
    assert preprocess("-d", "996") == 0 and labels_of(folder, first) == {-1, 0, 1, 2}
    assert f"{first}: labelled since, made again" in capsys.readouterr().out
    assert json.loads((folder / "unlabelled_cases.json").read_text()) == [second]
    image = raw / "imagesTr" / f"{second}_0000.nii.gz"
    shutil.copy(raw / "imagesTr" / f"{first}_0000.nii.gz", image)
    dataset = nnUNetDatasetBlosc2(str(folder / "nnUNetPlans_2d_tiny"))
    before = dataset.load_case(second)[0][:]
    assert preprocess("-d", "996") == 0 and f"{second}: changed since, made again" in capsys.readouterr().out
    assert (dataset.load_case(second)[0][:] != before).any()
    (raw / "labelsTr" / f"{first}.nii.gz").unlink()
    for path in (raw / "imagesTr").glob(f"{second}_*"):
        path.unlink()
    assert preprocess("-d", "996") == 0
    said = capsys.readouterr().out
    assert f"{first}: no longer labelled, made again" in said and f"{second}: no longer in the raw datasets" in said
    assert labels_of(folder, first) == {-1, 0} and not list((folder / "gt_segmentations").iterdir())
    assert sorted(p.name for p in (folder / "nnUNetPlans_2d_tiny").glob("*.b2nd")) == [
        f"{first}.b2nd",
        f"{first}_seg.b2nd",
    ]


def test_a_folder_of_other_cases_is_left_alone(cohort, capsys):
    raw, folder, _ = cohort
    assert preprocess("-d", "996") == 0
    before = sorted(p.name for p in folder.rglob("*"))
    for path in (raw / "imagesTr").iterdir():
        path.rename(path.with_name(f"other_{path.name}"))
    assert preprocess("-d", "996") == 1
    assert "holds 2 case(s), none of which is in the raw datasets" in capsys.readouterr().err
    assert sorted(p.name for p in folder.rglob("*")) == before


def spoil(path, change):
    image = SimpleITK.ReadImage(str(path))
    SimpleITK.WriteImage(change(image) or image, str(path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda i: i.SetOrigin((90.0, 0.0, 0.0)), "has origin"),
        (lambda i: i.SetDirection((1, 0, 0, 0, 1, 0, 0, 0, 1)), "has orientation"),
        (lambda i: i.SetSpacing((1.0, 1.0, 1.0)), "has spacing"),
        (lambda i: i * 9, "holds the label 9, 18, which dataset.json does not know"),
        (lambda i: SimpleITK.Cast(i, SimpleITK.sitkFloat32) * 0.5, "holds 0.5, which is no label"),
        (lambda i: i[:, :, 1:], "has shape"),
    ],
)
def test_labels_that_do_not_fit_are_listed(cohort, capsys, change, message):
    raw, folder, labels = cohort
    for case in tiny.LESION[:2]:
        shutil.copy(labels / f"{case}.nii.gz", raw / "labelsTr")
    spoil(raw / "labelsTr" / f"{tiny.LESION[0]}.nii.gz", change)
    assert preprocess("-d", "996") == 1
    assert f"{tiny.LESION[0]}.nii.gz {message}" in capsys.readouterr().err
    assert [p.name for p in (folder / "gt_segmentations").iterdir()] == [f"{tiny.LESION[1]}.nii.gz"]


def test_classes_that_a_labelled_dataset_numbers_otherwise_are_refused(cohort, capsys):
    raw, folder, labels = cohort
    description = json.loads((raw / "dataset.json").read_text())
    turned = {**description, "labels": {"background": 0, "Core": 1, "lesion": 2}}
    (raw / "dataset.json").write_text(json.dumps(turned))
    shutil.copy(labels / f"{tiny.LESION[0]}.nii.gz", raw / "labelsTr")
    assert preprocess("-d", "996") == 1 and not folder.exists()
    assert "dataset.json: labels: Core expects 2, as in Dataset991_Tiny" in capsys.readouterr().err
    # Without labels its classes mean nothing, and fewer classes may be labelled.
    (raw / "labelsTr" / f"{tiny.LESION[0]}.nii.gz").unlink()
    assert preprocess("-d", "996") == 0


def test_edited_plans_are_refused_before_anything_is_written(cohort, tiny_dataset, capsys):
    _, folder, _ = cohort
    plans = json.loads((tiny_dataset / "nnUNetPlans.json").read_text())
    del plans["configurations"]["2d"]["preprocessor_name"]
    like = folder.parent / "Dataset997_Edited"
    like.mkdir()
    for name in ("dataset.json", "dataset_fingerprint.json"):
        shutil.copy(tiny_dataset / name, like)
    (like / "nnUNetPlans.json").write_text(json.dumps(plans))
    assert main(["preprocess", "--like", "997", "-d", "996", "-c", "2d_tiny", "-np", "0"]) == 1
    assert "Dataset997_Edited/nnUNetPlans.json: 2d_tiny lacks preprocessor_name" in capsys.readouterr().err
    assert not folder.exists()


def test_labels_that_are_whole_numbers_up_to_rounding_are_kept(cohort):
    raw, folder, labels = cohort
    case = tiny.LESION[0]
    shutil.copy(labels / f"{case}.nii.gz", raw / "labelsTr")
    assert preprocess("-d", "996") == 0
    dataset = nnUNetDatasetBlosc2(str(folder / "nnUNetPlans_2d_tiny"))
    expected = dataset.load_case(case)[1][:]
    spoil(raw / "labelsTr" / f"{case}.nii.gz", lambda i: SimpleITK.Cast(i, SimpleITK.sitkFloat32) * 0.999999)
    assert preprocess("-d", "996") == 0
    assert (dataset.load_case(case)[1][:] == expected).all()
    stored = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(folder / "gt_segmentations" / f"{case}.nii.gz")))
    assert set(np.unique(stored)) == {0, 1, 2}


def test_other_plans_and_bad_names_are_refused(unlabelled, capsys):
    assert preprocess("-d", "993", "--channels", "FLAIR") == 0
    path = unlabelled / "Dataset993_Unlabelled" / "nnUNetPlans.json"
    plans = json.loads(path.read_text())
    plans["configurations"]["added"] = {"inherits_from": "2d"}
    path.write_text(json.dumps(plans))
    assert preprocess("-d", "993", "--channels", "FLAIR") == 0, "an added configuration changes nothing"
    plans["configurations"]["2d_tiny"]["spacing"] = [9, 9]
    path.write_text(json.dumps(plans))
    for flags, message in {
        ("-d", "993", "--channels", "FLAIR"): "preprocessed with other plans",
        ("-d", "993", tiny.NUMBER): "name it with -o",
        ("-d", "993", "-o", "Mixed"): "DatasetXXX_Name",
        ("-d", "993", "-o", "Dataset991_Other"): "is taken by",
        ("-d", tiny.NUMBER): "where the plans come from",
        ("-d", tiny.NUMBER, tiny.NUMBER, "-o", "Dataset995_Twice"): "occur in more than one",
    }.items():
        assert preprocess(*flags) == 1
        assert message in capsys.readouterr().err
    assert main(["preprocess", "-d", "993", "--like", tiny.NUMBER, "-c", "4d"]) == 1
    assert "no configuration 4d" in capsys.readouterr().err


names = st.lists(st.sampled_from("abcdefghij"), unique=True)


@given(names, names)
def test_splits_never_train_on_what_they_validate(labelled, unlabelled):
    unlabelled = [f"u{c}" for c in unlabelled]
    splits = make_splits(labelled, unlabelled, [])
    assert bool(splits) == (len(labelled) + len(unlabelled) > 1)
    for split in splits:
        assert not set(split["train"]) & set(split["val"]) and split["val"] and split["train"]
        assert set(split["train"]) | set(split["val"]) == {*labelled, *unlabelled}
        if len(labelled) > 1:
            assert set(unlabelled) <= set(split["train"])
