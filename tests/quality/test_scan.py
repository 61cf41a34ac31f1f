import numpy as np
import pytest
import SimpleITK
import tiny

from nnunet_uad.quality.scan import Scan, box_of, header_axes


def test_a_case_is_read_as_the_network_sees_it(tmp_path):
    image = tiny.tiny_case(3, True)[0]
    files = [tmp_path / f"case_{k:04d}.nii.gz" for k in range(2)]
    for volume, path in zip(image, files, strict=True):
        tiny.write_image(volume, path)
    scan = Scan.read(files, "SimpleITKIO", 2)
    np.testing.assert_allclose(scan.image, image)
    assert scan.spacing == tiny.SPACING_XYZ[::-1] and scan.axes == "RAS"
    assert Scan.read(files, "NibabelIOWithReorient", 2).axes == ""
    np.testing.assert_array_equal(scan.foreground(), (image != 0).any(0))


def test_nan_is_refused(tmp_path):
    path = tmp_path / "case_0000.nii.gz"
    tiny.write_image(np.full(tiny.SHAPE, np.nan, np.float32), path)
    with pytest.raises(ValueError, match="holds NaN or infinite values"):
        Scan.read([path], "SimpleITKIO", 1)


def test_without_an_empty_background_what_is_bright_is_foreground():
    image = np.random.default_rng(0).normal(20, 3, (1, 20, 20, 20)).astype(np.float32)
    image[0, 5:15, 5:15, 5:15] += 200
    foreground = Scan(image, (1, 1, 1)).foreground()
    assert foreground[7:13, 7:13, 7:13].all() and foreground.sum() < 14**3
    flat = Scan(np.ones((1, 4, 4, 4), np.float32), (1, 1, 1))
    assert flat.foreground().all()


@pytest.mark.parametrize("reader", ["SimpleITK", "nibabel"])
@pytest.mark.parametrize(("direction", "axes"), [((1, 1, 1), "LPS"), ((-1, -1, 1), "RAS"), ((1, -1, 1), "LAS")])
def test_both_readers_name_axes_alike(tmp_path, reader, direction, axes):
    image = SimpleITK.GetImageFromArray(np.zeros((2, 3, 4), np.float32))
    image.SetDirection(np.diag(np.array(direction, float)).ravel().tolist())
    SimpleITK.WriteImage(image, str(tmp_path / "a.nii.gz"))
    assert header_axes(tmp_path / "a.nii.gz", reader) == axes


def test_photographs_have_no_axes(tmp_path):
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.zeros((3, 4), np.uint8)), str(tmp_path / "a.png"))
    assert header_axes(tmp_path / "a.png", "SimpleITK") == ""


def test_the_box_leaves_single_voxels_out():
    mask = np.zeros((30, 30, 30), bool)
    mask[5:20, 6:21, 7:22] = True
    mask[29, 0, 0] = True
    assert box_of(mask) == (slice(5, 20), slice(6, 21), slice(7, 22))
    assert box_of(np.zeros((2, 3, 4), bool)) == (slice(0, 2), slice(0, 3), slice(0, 4))
