import nibabel
import numpy as np
import pytest
import SimpleITK

from nnunet_uad.data.grids import NIBABEL, SIMPLEITK, grid_difference, grid_of, reader_named, voxel_spacing


def write(path, size=(4, 5, 6), spacing=(1.0, 1.0, 2.0), origin=(0.0, 0.0, 0.0), direction=None):
    image = SimpleITK.Image(*size, SimpleITK.sitkInt16)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    if direction:
        image.SetDirection(direction)
    SimpleITK.WriteImage(image, str(path))
    return path


@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".mha", ".nrrd"])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, ""),
        ({"origin": (0.001, 0.0, 0.0)}, ""),
        ({"origin": (0.5, 0.0, 0.0)}, "origin"),
        ({"origin": (0.0, 0.0, -90.0)}, "origin"),
        ({"spacing": (1.0, 1.0, 3.0)}, "spacing"),
        ({"direction": (-1, 0, 0, 0, 1, 0, 0, 0, 1)}, "orientation"),
        ({"direction": (0.995, -0.0998, 0, 0.0998, 0.995, 0, 0, 0, 1)}, "orientation"),
        ({"size": (4, 5, 7)}, "shape"),
    ],
)
def test_what_differs_is_said(tmp_path, ending, changes, message):
    reference, path = write(tmp_path / f"a{ending}"), write(tmp_path / f"b{ending}", **changes)
    difference = grid_difference(path, reference)
    assert difference.startswith(message) and bool(difference) == bool(message)


def test_two_forms_that_disagree_are_compared_by_either(tmp_path):
    """NIfTI's qform and sform: nnU-Net's readers take different ones."""
    qform, sform = np.eye(4), np.diag([-1.0, 1.0, 1.0, 1.0])
    qform[:3, 3], sform[:3, 3] = [5, 5, 5], [30, -40, 10]
    both = nibabel.Nifti1Image(np.zeros((4, 5, 6), np.int16), None)
    both.set_qform(qform, code=1)
    both.set_sform(sform, code=4)
    nibabel.save(both, tmp_path / "both.nii.gz")
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 5, 6), np.int16), sform), tmp_path / "map.nii.gz")
    assert grid_difference(tmp_path / "map.nii.gz", tmp_path / "both.nii.gz") == ""
    assert grid_difference(tmp_path / "map.nii.gz", tmp_path / "both.nii.gz", (NIBABEL,)) == ""


def test_volumes_are_counted(tmp_path):
    series = np.zeros((4, 5, 6, 3), np.float32)
    nibabel.save(nibabel.Nifti1Image(series, np.eye(4)), tmp_path / "series.nii.gz")
    nibabel.save(nibabel.Nifti1Image(series[..., :1], np.eye(4)), tmp_path / "one.nii.gz")
    colours = SimpleITK.GetImageFromArray(np.zeros((7, 8, 3), np.uint8), isVector=True)
    SimpleITK.WriteImage(colours, str(tmp_path / "photo.png"))
    assert [grid_of(tmp_path / "series.nii.gz", r).volumes for r in (SIMPLEITK, NIBABEL)] == [3, 3]
    assert grid_of(tmp_path / "one.nii.gz").volumes == 1 and grid_of(tmp_path / "photo.png").volumes == 3


def test_what_cannot_be_read_is_said(tmp_path):
    (tmp_path / "a.nii.gz").write_bytes(b"no image")
    for readers in ((SIMPLEITK,), (NIBABEL,), (SIMPLEITK, NIBABEL)):
        with pytest.raises(ValueError, match=r"a.nii.gz cannot be read as an image"):
            grid_difference(tmp_path / "a.nii.gz", tmp_path / "a.nii.gz", readers)


def test_readers_of_plans():
    names = ["SimpleITKIO", "NibabelIO", "NibabelIOWithReorient", "NaturalImage2DIO"]
    assert [reader_named(n) for n in names] == [SIMPLEITK, NIBABEL, NIBABEL, SIMPLEITK]


def test_spacing_is_in_the_order_of_the_values(tmp_path):
    assert voxel_spacing(write(tmp_path / "a.nii.gz", spacing=(0.5, 1.0, 3.0))) == (3.0, 1.0, 0.5)
    assert voxel_spacing(write(tmp_path / "a.mha", size=(4, 5), spacing=(0.5, 2.0))) == (2.0, 0.5)
    # A picture has no spacing: a pixel is 1.
    SimpleITK.WriteImage(SimpleITK.Image(4, 5, SimpleITK.sitkUInt8), str(tmp_path / "a.png"))
    assert voxel_spacing(tmp_path / "a.png") == (1.0, 1.0)
    # Axes that are not at right angles, which SimpleITK refuses.
    sheared = np.array([[2.0, 1.0, 0, 0], [0, 3.0, 0, 0], [0, 0, 4.0, 0], [0, 0, 0, 1]])
    nibabel.Nifti1Image(np.zeros((3, 4, 5), np.float32), sheared).to_filename(tmp_path / "b.nii.gz")
    assert voxel_spacing(tmp_path / "b.nii.gz") == pytest.approx((4.0, 10**0.5, 2.0))
