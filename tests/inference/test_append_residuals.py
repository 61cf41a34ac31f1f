"""Which folds reconstruct which case; the dataset that is written: tests/cli/test_append_residuals.py."""

import json
from pathlib import Path

import pytest
import SimpleITK
import tiny
from weights_helpers import make_record

from nnunet_uad.common.lock import LockedError, folder_lock
from nnunet_uad.inference.append_residuals import (
    AppendRequest,
    ChannelsRequest,
    append_residuals,
    unseen_folds,
    write_channels,
)
from nnunet_uad.inference.model import ModelRequest
from nnunet_uad.inference.predict import PredictRequest, predict_folder
from nnunet_uad.weights.record import BaseWeights
from nnunet_uad.weights.safe_file import FILE_NAME, write_pretrained


@pytest.fixture
def folds(tmp_path):
    """Two folds: one has seen a and b, the other b and c."""
    folders = []
    for name, cases in {"fold_0": ("a", "b"), "fold_1": ("b", "c")}.items():
        folders.append(tmp_path / name)
        folders[-1].mkdir()
        write_pretrained(folders[-1] / FILE_NAME, {}, make_record(cases=cases))
    return folders


def test_a_case_is_reconstructed_by_all_folds_that_have_not_seen_it(folds):
    assert unseen_folds(["a", "c", "d"], folds) == {"a": (folds[1],), "c": (folds[0],), "d": tuple(folds)}


def test_a_case_that_every_fold_has_seen_is_refused(folds):
    with pytest.raises(ValueError, match=r"LEAKAGE: 1 case.* training cases of every fold \(fold_0, fold_1\): b\."):
        unseen_folds(["a", "b"], folds)


def test_a_fold_of_which_nobody_knows_what_it_has_seen_is_refused(folds):
    (folds[1] / FILE_NAME).unlink()
    with pytest.raises(ValueError, match=r"fold_1 of .* lacks pretrained.safetensors"):
        unseen_folds(["a"], folds)


@pytest.fixture(params=["nnUNetPretrainerContrastive", "nnUNetPretrainerSyntheticAnomaly"])
def without_reconstruction(request, example_folder, results, monkeypatch):
    """A model that has no reconstruction: somebody else's that has no maps either, and one that detects."""
    tests = Path(__file__).parents[1]
    plugin = tests.parent / "nnunet_uad" / "plugin"
    monkeypatch.setenv("nnUNet_extTrainer", f"{tests / 'pretrain' / 'external'}:{plugin}")
    return tiny.save_untrained(request.param).parent


def test_a_model_without_a_reconstruction_leaves_a_finished_dataset_alone(
    without_reconstruction, example_folder, tmp_path
):
    target = tmp_path / "Dataset911_Finished"
    target.mkdir()
    (target / "dataset.json").write_text("{}")
    source = example_folder / "nnUNet_raw" / "Dataset901_Tumour"
    with pytest.raises(ValueError, match=r"without reconstructing"):
        append_residuals(AppendRequest(model=without_reconstruction, source=source, target=target, device="cpu"))
    assert [path.name for path in target.iterdir()] == ["dataset.json"]


def test_a_model_without_a_reconstruction_does_not_occupy_the_folder(without_reconstruction, example_folder, tmp_path):
    common = {"model": without_reconstruction, "images": example_folder / "IMAGES", "device": "cpu"}
    with pytest.raises(ValueError, match=r"without reconstructing"):
        write_channels(ChannelsRequest(**common, output=tmp_path / "channels"))
    with pytest.raises(ValueError, match=r"without reconstructing"):
        predict_folder(PredictRequest(**common, output=tmp_path / "maps", save=["map", "residual"]))
    assert not (tmp_path / "channels").exists() and not (tmp_path / "maps").exists()


def test_a_dataset_of_other_channels_is_refused_before_anything_is_written(dae_fold, example_folder, tmp_path):
    source = example_folder / "nnUNet_raw" / "Dataset901_Tumour"
    description = json.loads((source / "dataset.json").read_text())
    (source / "dataset.json").write_text(json.dumps({**description, "channel_names": {"0": "T2", "1": "T1"}}))
    target = tmp_path / "Dataset911_Other"
    with pytest.raises(ValueError, match=r"expects the channels FLAIR, T1, the dataset has T2, T1"):
        append_residuals(AppendRequest(model=dae_fold.parent, source=source, target=target, device="cpu"))
    assert not target.exists()


def test_no_folds_are_read_twice(dae_fold, example_folder, tmp_path, monkeypatch):
    load, read = ModelRequest.load, []

    def counted(request, folds=()):
        read.append([fold.name for fold in folds])
        return load(request, folds)

    monkeypatch.setattr(ModelRequest, "load", counted)
    source, target = example_folder / "nnUNet_raw" / "Dataset901_Tumour", tmp_path / "Dataset911_New"
    result = append_residuals(AppendRequest(model=dae_fold.parent, source=source, target=target, device="cpu"))
    assert set(result.written) == set(tiny.LESION[1:]) and read == [["fold_0"]]


def test_a_dataset_of_which_nothing_can_be_read_says_of_every_case_why(dae_fold, example_folder, tmp_path):
    source, target = example_folder / "nnUNet_raw" / "Dataset901_Tumour", tmp_path / "Dataset911_New"
    for image in (source / "imagesTr").glob("*_0001.nii.gz"):
        image.unlink()
    result = append_residuals(AppendRequest(model=dae_fold.parent, source=source, target=target, device="cpu"))
    assert not result.written and not (target / "dataset.json").exists()
    assert set(result.failed) == {p.name[: -len("_0000.nii.gz")] for p in (source / "imagesTr").iterdir()}
    assert all("expected 2 channel(s)" in reason for reason in result.failed.values())


def test_a_renamed_training_case_is_left_to_the_folds_that_have_not_seen_it(tmp_path):
    """And nobody reconstructs the copy of a case that all have seen."""
    folds, said = [], []
    for name, cases in {"fold_0": {"a": ("raw:1",), "b": ("raw:2",)}, "fold_1": {"b": ("raw:2",)}}.items():
        folds.append(tmp_path / name)
        folds[-1].mkdir()
        write_pretrained(folds[-1] / FILE_NAME, {}, make_record(cases=tuple(cases), contents=cases))
    assert unseen_folds({"x": ("raw:1",), "y": ("raw:3",)}, folds, said.append) == {"x": (folds[1],), "y": tuple(folds)}
    with pytest.raises(ValueError, match=r"every fold .*: z \(the images of b\)\."):
        unseen_folds({"z": ("raw:2",)}, folds)
    assert not said


def test_what_weights_went_on_from_counts_and_strangers_are_refused(folds):
    bases = BaseWeights.chain("from_du.safetensors", "1", "nnunet_uad", make_record(cases=("d",)))
    write_pretrained(folds[1] / FILE_NAME, {}, make_record(cases=("c",), bases=bases))
    assert unseen_folds(["d"], folds) == {"d": (folds[0],)}
    bases = BaseWeights.chain("openmind.pth", "1", "nnssl", None)
    write_pretrained(folds[1] / FILE_NAME, {}, make_record(cases=("c",), bases=bases))
    with pytest.raises(ValueError, match=r"went on from openmind\.pth, which has no record"):
        unseen_folds(["d"], folds)


def test_records_without_fingerprints_are_said(folds):
    said = []
    unseen_folds({"d": ("raw:1",)}, folds, said.append)
    assert len(said) == 2 and "no fingerprints" in said[0]


def test_one_process_writes_into_a_dataset(dae_fold, example_folder, tmp_path):
    source, target = example_folder / "nnUNet_raw" / "Dataset901_Tumour", tmp_path / "Dataset911_New"
    request = AppendRequest(model=dae_fold.parent, source=source, target=target, device="cpu")
    with folder_lock(target), pytest.raises(LockedError, match="Dataset911_New is being written already by process"):
        append_residuals(request)
    assert not target.exists()


def _displaced(path):
    image = SimpleITK.ReadImage(str(path))
    image.SetOrigin((0.0, 0.0, 0.0))
    SimpleITK.WriteImage(image, str(path))


def _cut(path):
    path.write_bytes(path.read_bytes()[:-40])


@pytest.mark.parametrize(("spoil", "said"), [(_displaced, "another origin|origin"), (_cut, "cut short|damaged|ends")])
def test_labels_that_do_not_fit_their_images_are_refused_before_anything_is_written(dae_fold, tmp_path, spoil, said):
    source = tiny.write_raw(tmp_path)
    spoil(source / "labelsTr" / "lesion_1.nii.gz")
    with pytest.raises(
        ValueError, match=rf"^1 label.s. in .*labelsTr do not fit their images:\n  lesion_1\.nii.*({said})"
    ):
        append_residuals(AppendRequest(model=dae_fold.parent, source=source, target=tmp_path / "D"))
    assert not (tmp_path / "D").exists()


def test_a_dataset_that_lists_its_files_is_refused(tmp_path):
    source = tiny.write_raw(tmp_path)
    path = source / "dataset.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "dataset": {"a": {"images": ["x"]}}}))
    with pytest.raises(ValueError, match=r"dataset\.json: dataset lists files of 1 case"):
        append_residuals(AppendRequest(model=tmp_path / "A__B__C", source=source, target=tmp_path / "D"))


def test_labels_and_test_images_that_the_source_withdrew_are_removed_and_named(dae_fold, example_folder, tmp_path):
    source, target = example_folder / "nnUNet_raw" / "Dataset901_Tumour", tmp_path / "Dataset911_New"
    request, said = AppendRequest(model=dae_fold.parent, source=source, target=target, device="cpu", copy=True), []
    append_residuals(request)
    assert (target / "labelsTr" / "lesion_1.nii.gz").exists()
    (source / "labelsTr" / "lesion_1.nii.gz").unlink()
    (target / "imagesTs").mkdir(exist_ok=True)
    (target / "imagesTs" / "old_0002.nii.gz").touch()
    append_residuals(request, said.append)
    assert not (target / "labelsTr" / "lesion_1.nii.gz").exists() and not any((target / "imagesTs").iterdir())
    assert (target / "dataset.json").exists() and (target / "labelsTr" / "lesion_2.nii.gz").exists()
    removed = [line for line in said if "no longer in the source, removed" in line]
    assert len(removed) == 2 and "old_0002.nii.gz" in removed[0] and "lesion_1.nii.gz" in removed[1]
