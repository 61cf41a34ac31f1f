import nibabel
import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunet_uad.data.grids import NIBABEL
from nnunet_uad.data.raw_files import check_case, check_labels, label_values, whole_numbers, write_whole_numbers

LABELS = {0: "background", 1: "lesion"}


def write(path, values=None, origin=(0.0, 0.0, 0.0)):
    image = SimpleITK.GetImageFromArray(np.zeros((4, 5, 6), np.float32) if values is None else values)
    image.SetOrigin(origin)
    SimpleITK.WriteImage(image, str(path))
    return path


@pytest.mark.parametrize("ending", [".nii.gz", ".mha", ".nrrd"])
def test_channels_and_labels_must_lie_on_the_grid_of_the_first(tmp_path, ending):
    first, other = write(tmp_path / f"a_0000{ending}"), write(tmp_path / f"a_0001{ending}")
    label = write(tmp_path / f"a{ending}", np.zeros((4, 5, 6), np.uint8))
    check_case([first, other], label)
    write(other, origin=(9.0, 0.0, 0.0))
    with pytest.raises(ValueError, match=rf"a_0001{ending} has origin .*, as in a_0000{ending}. Channels"):
        check_case([first, other])
    write(label, np.zeros((4, 5, 7), np.uint8))
    with pytest.raises(ValueError, match=rf"a{ending} has shape .*The labels must lie"):
        check_case([first], label)


def test_series_and_colours_are_refused_where_one_volume_is_expected(tmp_path):
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 5, 6, 3), np.float32), np.eye(4)), tmp_path / "u_0000.nii.gz")
    for reader in ("SimpleITK", NIBABEL):
        with pytest.raises(ValueError, match=r"u_0000.nii.gz holds 3 volumes where 1 was expected"):
            check_case([tmp_path / "u_0000.nii.gz"], reader=reader)
    colours = SimpleITK.GetImageFromArray(np.zeros((7, 8, 3), np.uint8), isVector=True)
    SimpleITK.WriteImage(colours, str(tmp_path / "u_0000.png"))
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.zeros((7, 8), np.uint8)), str(tmp_path / "u.png"))
    check_case([tmp_path / "u_0000.png"], tmp_path / "u.png", channels=3)
    with pytest.raises(ValueError, match=r"u_0000.png holds 3 colours where 1 was expected"):
        check_case([tmp_path / "u_0000.png"], channels=1)
    with pytest.raises(ValueError, match=r"u.png holds 1 colours where 3 was expected"):
        check_case([tmp_path / "u.png"], channels=3)


def test_values_of_regions_and_of_the_ignore_label():
    labels = {"background": 0, "whole": [1, 2], "core": [2], "ignore": 3}
    assert label_values({"labels": labels}) == {0: "background", 1: "whole", 2: "core", 3: "ignore"}


@given(value=st.integers(0, 300), apart=st.floats(-9e-4, 9e-4))
@settings(deadline=None, max_examples=30)
def test_labels_that_are_whole_numbers_up_to_rounding_become_so(value, apart):
    assert whole_numbers(np.array([value + apart]), "a").tolist() == [value]


@given(value=st.integers(0, 300), apart=st.floats(2e-3, 0.5))
@settings(deadline=None, max_examples=30)
def test_labels_between_whole_numbers_are_refused(value, apart):
    with pytest.raises(ValueError, match="a holds .*whole numbers"):
        whole_numbers(np.array([value + apart]), "a")


def test_labels_that_the_dataset_does_not_know_are_refused():
    check_labels(np.array([0, 1]), LABELS, "a")
    with pytest.raises(ValueError, match=r"a holds the label 9, which dataset.json does not know; it has 0 \(back"):
        check_labels(np.array([0, 9]), LABELS, "a")
    with pytest.raises(ValueError, match="and 95 more"):
        check_labels(np.arange(2, 102), LABELS, "a")


@pytest.mark.parametrize("name", ["a.nii.gz", "a.mha"])
def test_labels_stored_as_floats_are_copied_as_integers_with_their_header(tmp_path, name):
    values = np.zeros((4, 5, 6), np.float32)
    values[1] = 0.99995
    source = write(tmp_path / name, values, origin=(3.0, 4.0, 5.0))
    (tmp_path / "to").mkdir()
    assert write_whole_numbers(source, tmp_path / "to" / name)
    made = SimpleITK.ReadImage(str(tmp_path / "to" / name))
    assert made.GetOrigin() == (3.0, 4.0, 5.0) and "integer" in made.GetPixelIDTypeAsString()
    assert np.unique(SimpleITK.GetArrayFromImage(made)).tolist() == [0, 1]
    assert not write_whole_numbers(write(tmp_path / name, values.round().astype(np.uint8)), tmp_path / "to" / name)


def test_labels_stored_with_a_scale_are_copied_as_integers(tmp_path):
    image = nibabel.Nifti1Image(np.full((4, 5, 6), 2, np.int16), np.diag([-1.0, 1.0, 2.0, 1.0]))
    image.header.set_slope_inter(0.5, 0)
    nibabel.save(image, tmp_path / "a.nii.gz")
    assert write_whole_numbers(tmp_path / "a.nii.gz", tmp_path / "b.nii.gz")
    made = nibabel.load(tmp_path / "b.nii.gz")
    stored = np.asarray(nibabel.load(tmp_path / "a.nii.gz").dataobj)
    assert (np.asarray(made.dataobj) == stored).all() and (made.affine == image.affine).all()
    assert np.issubdtype(made.get_data_dtype(), np.integer)
