import numpy as np
import pytest
import SimpleITK
import tiny

from nnunet_uad.robustness.images import CLEAN, Condition, corrupted_files


@pytest.fixture
def files(tmp_path):
    paths = []
    for channel, volume in enumerate(tiny.tiny_case(0, True)[0]):
        paths.append(tmp_path / f"a_{channel:04d}.nii.gz")
        tiny.write_image(volume, paths[-1])
    return paths


def test_images_are_made_once_in_the_geometry_of_the_raw_ones(files, tmp_path):
    condition = Condition("blur", 2)
    first = corrupted_files(tmp_path / "out", condition, "a", files, 0, ".nii.gz")
    assert [p.name for p in first] == ["a_0000.nii.gz", "a_0001.nii.gz"] and first[0].parent.name == "blur_2"
    raw, blurred = (SimpleITK.ReadImage(str(p)) for p in (files[0], first[0]))
    assert raw.GetSpacing() == blurred.GetSpacing() and raw.GetOrigin() == blurred.GetOrigin()
    assert raw.GetDirection() == blurred.GetDirection()
    assert not np.array_equal(*(SimpleITK.GetArrayFromImage(i) for i in (raw, blurred)))
    stamp = first[0].stat().st_mtime_ns
    assert corrupted_files(tmp_path / "out", condition, "a", files, 0, ".nii.gz") == first
    assert first[0].stat().st_mtime_ns == stamp
    assert corrupted_files(tmp_path / "out", CLEAN, "a", files, 0, ".nii.gz") == files


def test_pictures_are_refused(tmp_path):
    path = tmp_path / "a_0000.png"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.zeros((8, 8), np.uint8)), str(path))
    with pytest.raises(ValueError, match="a is no volume"):
        corrupted_files(tmp_path / "out", Condition("noise", 1), "a", [path], 0, ".png")
