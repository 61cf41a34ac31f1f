import gzip
import os

import nibabel
import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunet_uad.data.whole_files import check_whole


def noise(dtype=np.float32):
    return np.random.default_rng(0).normal(100, 20, (7, 9, 11)).astype(dtype)


def write(path, values):
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(values), str(path))
    return path


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a.gipl", "a.mha", "a.nrrd", "a.png"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_whole_files_pass(tmp_path, name, dtype):
    if name == "a.png" and dtype != np.uint8:
        pytest.skip("PNG holds bytes")
    check_whole(write(tmp_path / name, noise(dtype)[0] if name == "a.png" else noise(dtype)))


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a.gipl"])
@given(share=st.floats(0, 1, exclude_max=True), dtype=st.sampled_from([np.int16, np.float32]))
@settings(deadline=None, max_examples=20)
def test_files_cut_short_anywhere_are_refused_and_simpleitk_would_read_some(tmp_path_factory, name, share, dtype):
    path = write(tmp_path_factory.mktemp("cut") / name, noise(dtype))
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=rf"{name} (is cut short|cannot be read: it is cut short or damaged)"):
        check_whole(path)


def test_simpleitk_still_reads_cut_files_in_silence(tmp_path):
    path = write(tmp_path / "a.nii.gz", noise())
    path.write_bytes(path.read_bytes()[:-300])
    assert SimpleITK.ReadImage(str(path)).GetSize() == (11, 9, 7), "SimpleITK refuses cut files: check_whole can go"


def test_a_changed_byte_is_found_by_the_checksum(tmp_path):
    path = write(tmp_path / "a.nii.gz", noise(np.int16))
    content = bytearray(path.read_bytes())
    content[-8] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a.nii.gz cannot be read: it is cut short or damaged"):
        check_whole(path)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii"])
def test_a_header_of_another_size_is_found(tmp_path, name):
    path = write(tmp_path / name, noise(np.int16))
    opener = gzip.open if name.endswith("gz") else open
    with opener(path, "rb") as handle:
        content = bytearray(handle.read())
    for depth, message in ((5, "holds more than"), (8, "is cut short")):
        content[46:48] = depth.to_bytes(2, "little")
        with opener(path, "wb") as handle:
            handle.write(content)
        os.utime(path, ns=(depth, depth))
        with pytest.raises(ValueError, match=message):
            check_whole(path)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii"])
@pytest.mark.parametrize("spoilt", [np.nan, np.inf, -np.inf])
def test_nan_that_simpleitk_hides_is_found(tmp_path, name, spoilt):
    values = noise()
    values[-1, -1, -1] = spoilt
    path = write(tmp_path / name, values)
    read = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))
    assert np.isfinite(read).all(), "SimpleITK no longer hides NaN: nobody need look for it in NIfTI"
    with pytest.raises(ValueError, match=f"{name} holds NaN or infinite values"):
        check_whole(path)


def test_files_of_several_packed_parts_and_with_zeros_behind_pass(tmp_path):
    nibabel.save(nibabel.Nifti1Image(noise(), np.eye(4)), tmp_path / "a.nii")
    content = (tmp_path / "a.nii").read_bytes()
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(content[:500]) + gzip.compress(content[500:]) + b"\0" * 64)
    check_whole(tmp_path / "a.nii.gz")


def test_what_is_no_image_is_said(tmp_path):
    (tmp_path / "a.nii.gz").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"a.nii.gz cannot be read"):
        check_whole(tmp_path / "a.nii.gz")
    with pytest.raises(FileNotFoundError, match="b.nii.gz"):
        check_whole(tmp_path / "b.nii.gz")


def test_a_file_that_was_repaired_passes(tmp_path):
    path = write(tmp_path / "a.nii", noise())
    content = path.read_bytes()
    path.write_bytes(content[:-9])
    with pytest.raises(ValueError, match="cut short"):
        check_whole(path)
    path.write_bytes(content)
    check_whole(path)
