import nibabel
import numpy as np
import pytest
import SimpleITK

from nnunet_uad.common.whole_image import atomic_image, nifti_layout, refuse_cut_image, write_image


@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".mha", ".nrrd", ".tif"])
@pytest.mark.parametrize("kind", [np.float32, np.uint8])
def test_whole_and_cut(tmp_path, ending, kind):
    values = np.random.default_rng(0).uniform(0, 200, (4, 30, 20)).astype(kind)
    path = tmp_path / f"image{ending}"
    write_image(SimpleITK.GetImageFromArray(values), path)
    assert np.array_equal(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))), values)
    refuse_cut_image(path)
    if ending == ".tif":  # opens with the slices that are left: write_image compares what it reads
        return
    content = path.read_bytes()
    # The last byte is told by sizes alone; other types are read, and their readers do without it.
    last = [len(content) - 1] if ".nii" in ending else []
    for size in (0, 1, len(content) // 3, *last):
        path.write_bytes(content[:size])
        with pytest.raises(OSError, match=f"image{ending} was not written whole"):
            refuse_cut_image(path)


def test_what_is_cut_does_not_get_its_name(tmp_path):
    path = tmp_path / "image.nii.gz"
    with pytest.raises(OSError, match="not written whole"), atomic_image(path) as temporary:
        temporary.write_bytes(b"half")
    assert not list(tmp_path.iterdir())


def test_a_tiff_that_lost_slices_does_not_get_its_name(tmp_path, monkeypatch):
    write, path = SimpleITK.WriteImage, tmp_path / "image.tif"
    monkeypatch.setattr(SimpleITK, "WriteImage", lambda image, name, **options: write(image[:, :, :2], name, **options))
    with pytest.raises(OSError, match="not written whole"):
        write_image(SimpleITK.GetImageFromArray(np.ones((4, 30, 20), np.float32)), path)
    assert not list(tmp_path.iterdir())


def test_the_layout_of_a_nifti_file_is_what_its_header_promises(tmp_path):
    path = tmp_path / "a.nii"
    nibabel.save(nibabel.Nifti1Image(np.zeros((3, 4, 5), np.int16), np.eye(4)), path)
    layout = nifti_layout(path)
    assert (layout.shape, layout.dtype, layout.size) == ((3, 4, 5), np.dtype(np.int16), 120)
    assert layout.end == path.stat().st_size
