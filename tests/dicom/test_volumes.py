import dicoms
import numpy as np
import pytest
import SimpleITK
from pydicom.uid import JPEGLSLossless, RLELossless

from nnunet_uad.dicom.headers import headers_below
from nnunet_uad.dicom.series import Series
from nnunet_uad.dicom.volumes import on_grid_of, read_series


def image_of(folder, **series):
    """The image of written files, and their stored values."""
    values = dicoms.voxels(2)
    dicoms.write_series(folder, values, axes=dicoms.orientation(2), **series)
    image = read_series(Series.of(headers_below(folder, print)))
    return image, SimpleITK.GetArrayFromImage(image), values


def test_values_without_rescaling_are_those_that_are_stored(tmp_path):
    image, found, stored = image_of(tmp_path)
    np.testing.assert_array_equal(found, stored)
    assert found.dtype == np.int16 and image.GetMetaDataKeys() == ()


@pytest.mark.parametrize("slopes", [[2] * 5, [300] * 5, [1, 1.5, 2, 0.25, 3]])
def test_every_slice_is_rescaled_in_its_own_way(tmp_path, slopes):
    """SimpleITK alone takes the type of the first slice and cuts the others' values to it."""
    _, found, stored = image_of(tmp_path, slopes=slopes)
    np.testing.assert_array_equal(found, stored * np.array(slopes)[:, None, None] - 3)
    assert found.dtype == (np.float32 if 1.5 in slopes else np.int16 if slopes[0] == 2 else np.int32)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_compressed_files_are_read(tmp_path, syntax):
    values = dicoms.voxels(1, (3, 16, 16))
    dicoms.write_series(tmp_path, values, change=lambda k, image: image.compress(syntax))
    image = read_series(Series.of(headers_below(tmp_path, print)))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), values)


def test_files_that_are_cut_short_are_refused(tmp_path):
    paths = dicoms.write_series(tmp_path, dicoms.voxels(1))
    paths[2].write_bytes(paths[2].read_bytes()[:-30])
    with pytest.raises(ValueError, match="cannot be read .* Export or copy it again"):
        read_series(Series.of(headers_below(tmp_path, print)))


def test_another_grid_is_reached_linearly(tmp_path):
    image, found, _ = image_of(tmp_path)
    finer = SimpleITK.Image(11, 13, 9, SimpleITK.sitkUInt8)
    finer.SetSpacing([s / 2 for s in image.GetSpacing()])
    finer.SetOrigin(image.GetOrigin())
    finer.SetDirection(image.GetDirection())
    brought = SimpleITK.GetArrayFromImage(on_grid_of(image, finer))
    np.testing.assert_allclose(brought[::2, ::2, ::2], found, rtol=1e-4, atol=1e-2)
    np.testing.assert_allclose(brought[1], (brought[0] + brought[2]) / 2, rtol=1e-4, atol=1e-2)
