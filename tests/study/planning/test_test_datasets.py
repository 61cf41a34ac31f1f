"""Further datasets that every cell of a study is tested on."""

import json

import pytest
import tiny

from nnunet_uad.study.layout import Layout


@pytest.fixture
def other(workplace, monkeypatch):
    """A second raw dataset, whose cases carry the same names; returns its folder."""
    workplace.raw = workplace.folder / "raw"
    workplace.raw.mkdir()
    monkeypatch.setenv("nnUNet_raw", str(workplace.raw))
    tiny.write_raw(workplace.raw)
    return tiny.write_raw(workplace.raw, "Dataset985_Other", seed=100)


def change(folder, **entries):
    path = folder / "dataset.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


def test_images_are_linked_in_the_order_of_the_models_channels(workplace, other):
    """The second dataset has its channels in the other order; cases without labels are not tested on."""
    change(other, channel_names={"0": "T1", "1": "FLAIR"})
    (other / "labelsTr" / f"{tiny.HEALTHY[0]}.nii.gz").unlink()
    layout = workplace.plan(test=[985])
    (planned,) = layout.plan["tests"]
    assert planned["dataset"] == "Dataset985_Other" and planned["classes"] == {"background": 0, "lesion": 1, "core": 2}
    assert sorted(planned["labels"]) == sorted([*tiny.HEALTHY[1:], *tiny.LESION])
    images = Layout(layout.folder).images("Dataset985_Other")
    assert len(list(images.iterdir())) == 2 * 7
    case = tiny.LESION[0]
    assert (images / f"{case}_0000.nii.gz").resolve() == other.resolve() / "imagesTr" / f"{case}_0001.nii.gz"
    assert (images / f"{case}_0001.nii.gz").resolve() == other.resolve() / "imagesTr" / f"{case}_0000.nii.gz"


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"channel_names": {"0": "FLAIR", "1": "T2"}}, "so T1 is missing"),
        ({"file_ending": ".nrrd"}, r"Dataset985_Other has images .nrrd, the models expect .nii.gz"),
    ],
)
def test_datasets_that_the_models_cannot_read_are_refused(workplace, other, entries, message):
    change(other, **entries)
    with pytest.raises(ValueError, match=message):
        workplace.plan(test=[985])


def test_a_dataset_without_labels_is_refused(workplace, other):
    for label in (other / "labelsTr").iterdir():
        label.unlink()
    with pytest.raises(ValueError, match="Dataset985_Other has no labelled case to test on"):
        workplace.plan(test=[985])


def test_the_studys_own_dataset_is_refused(workplace, other):
    with pytest.raises(ValueError, match="test lists 991, the study's own dataset, whose folds are tested anyway"):
        workplace.plan(test=[991])
