import nibabel
import numpy as np
import pytest
import SimpleITK

from nnunet_uad.data.image_files import channels_in, ending_of, has_hidden_nan, images_in, maps_in


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


def test_nan_that_simpleitk_hides_is_found(tmp_path):
    values = np.zeros((4, 5, 6), np.float32)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / "good.nii.gz")
    values[1, 2, 3] = np.nan
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / "bad.nii.gz")
    read = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / "bad.nii.gz")))
    assert not np.isnan(read).any(), "SimpleITK no longer hides NaN: has_hidden_nan can go"
    assert has_hidden_nan(tmp_path / "bad.nii.gz") and not has_hidden_nan(tmp_path / "good.nii.gz")
