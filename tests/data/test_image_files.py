import nibabel
import numpy as np
import pytest
import SimpleITK

from nnunet_uad.data.image_files import channels_in, ending_of, images_in, maps_in, read_on_grid, read_values


def touch(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"")
    return folder


def test_endings():
    from pathlib import Path

    assert [ending_of(Path(n)) for n in ("a.nii.gz", "a.NII", "a.b.nrrd", "a.png", "a.json")] == [
        ".nii.gz",
        ".nii",
        ".nrrd",
        ".png",
        "",
    ]


def test_maps_are_told_from_what_lies_beside_them(tmp_path):
    folder = touch(tmp_path / "a", "c1_map.nii.gz", "c1_mask.nii.gz", "c1_montage.png", ".c2_map.nii.gz", "x.json")
    assert list(maps_in([folder])) == ["c1"]
    plain = touch(tmp_path / "b", "c2.nii.gz", "c3.nii.gz")
    assert list(maps_in([folder, plain])) == ["c1", "c2", "c3"]


def test_channels_by_case(tmp_path):
    folder = touch(tmp_path / "a", "c_1_0000.nii.gz", "c_1_0001.nii.gz", "d_0001.nii.gz", "no_channel.nii.gz")
    found = channels_in(folder)
    assert {k: sorted(v) for k, v in found.items()} == {"c_1": [0, 1], "d": [1]}


def test_nothing_there_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="is no folder"):
        images_in(tmp_path / "x")
    with pytest.raises(ValueError, match="holds no image"):
        images_in(touch(tmp_path / "a", "notes.txt"))
    with pytest.raises(ValueError, match="nnU-Net's channels"):
        channels_in(touch(tmp_path / "b", "image.nii.gz"))


def test_one_name_in_two_formats_is_refused(tmp_path):
    folder = touch(tmp_path / "a", "c_0000.nii.gz", "c_0000.nii")
    with pytest.raises(ValueError, match=r"c_0000.nii and c_0000.nii.gz: nobody knows"):
        channels_in(folder)


def test_axes_that_are_not_at_right_angles_are_read_and_compared(tmp_path):
    shear = np.diag([1.0, 1.0, 2.0, 1.0])
    shear[0, 1] = 0.08
    values = np.arange(120, dtype=np.int16).reshape(4, 5, 6)
    for name, affine in {"a": shear, "b": shear, "straight": np.diag([1.0, 1.0, 2.0, 1.0])}.items():
        nibabel.save(nibabel.Nifti1Image(values, affine), tmp_path / f"{name}.nii.gz")
    assert (read_on_grid(tmp_path / "a.nii.gz", tmp_path / "b.nii.gz") == values.T).all()
    with pytest.raises(ValueError, match=r"has (spacing|orientation)"):
        read_on_grid(tmp_path / "a.nii.gz", tmp_path / "straight.nii.gz")


def test_several_values_per_voxel_are_refused(tmp_path):
    series = np.zeros((4, 5, 6, 2), np.float32)
    nibabel.save(nibabel.Nifti1Image(series, np.eye(4)), tmp_path / "a.nii.gz")
    with pytest.raises(ValueError, match=r"a.nii.gz holds 2 volumes"):
        read_values(tmp_path / "a.nii.gz")
    nibabel.save(nibabel.Nifti1Image(series[..., :1], np.eye(4)), tmp_path / "b.nii.gz")
    assert read_values(tmp_path / "b.nii.gz").shape == (6, 5, 4)
    image = SimpleITK.GetImageFromArray(np.zeros((3, 4, 5, 2), np.float32), isVector=True)
    SimpleITK.WriteImage(image, str(tmp_path / "a.mha"))
    with pytest.raises(ValueError, match="2 values per voxel"):
        read_values(tmp_path / "a.mha")
