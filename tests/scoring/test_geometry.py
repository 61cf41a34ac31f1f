import json

import numpy as np
import pytest
import SimpleITK
import tiny
from nnunetv2.imageio.nibabel_reader_writer import NibabelIO, NibabelIOWithReorient
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunet_uad.scoring.geometry import to_original_geometry, write_map


@pytest.fixture
def oriented_image(tmp_path):
    """A smooth image with a bright corner, oblique-free but flipped axes; zero border to be cropped."""
    z, y, x = np.meshgrid(*(np.linspace(0, 1, n) for n in tiny.SHAPE), indexing="ij")
    volume = np.zeros(tiny.SHAPE, np.float32)
    volume[2:10, 4:36, 3:30] = (100 + 50 * z + 200 * y + 400 * x)[2:10, 4:36, 3:30]
    tiny.write_image(volume, tmp_path / "a_0000.nii.gz")
    return tmp_path / "a_0000.nii.gz", volume


@pytest.mark.parametrize("reader", [SimpleITKIO, NibabelIO, NibabelIOWithReorient])
def test_what_was_read_comes_back_with_the_same_header(oriented_image, tmp_path, reader):
    path, volume = oriented_image
    data, properties = reader().read_images([str(path)])
    write_map(data[0], properties, tmp_path / "out.nii.gz")
    original, written = SimpleITK.ReadImage(str(path)), SimpleITK.ReadImage(str(tmp_path / "out.nii.gz"))
    assert np.allclose(SimpleITK.GetArrayFromImage(written), volume, atol=1e-3)
    for get in ("GetSpacing", "GetOrigin", "GetDirection", "GetSize"):
        assert np.allclose(getattr(original, get)(), getattr(written, get)(), atol=1e-4), get


@pytest.mark.parametrize("configuration", ["2d_tiny", "3d_tiny"])
def test_preprocessing_and_back_returns_the_image(oriented_image, tiny_dataset, configuration):
    path, volume = oriented_image
    plans = PlansManager(json.loads((tiny_dataset / "nnUNetPlans.json").read_text()))
    manager = plans.get_configuration(configuration)
    dataset_json = json.loads((tiny_dataset / "dataset.json").read_text())
    data, _, properties = DefaultPreprocessor(verbose=False).run_case(
        [str(path), str(path)], None, plans, manager, dataset_json
    )
    back = to_original_geometry(data, properties, plans, manager)
    assert back.shape == (2, *volume.shape)
    inside = volume > 0
    expected = (volume - volume[inside].mean()) / volume[inside].std()
    assert np.abs(back[0][3:9, 6:34, 5:28] - expected[3:9, 6:34, 5:28]).mean() < 0.05
    assert (back[0][:2] == 0).all()


def test_images_without_a_header_get_unit_spacing(tmp_path):
    write_map(np.ones((1, 4, 5), np.float32), {"spacing": (999, 1, 1)}, tmp_path / "x.nii.gz")
    assert SimpleITK.ReadImage(str(tmp_path / "x.nii.gz")).GetSize() == (5, 4, 1)
