import json

import numpy as np
import pytest
import SimpleITK
import tiny
from nnunetv2.imageio.natural_image_reader_writer import NaturalImage2DIO
from nnunetv2.imageio.nibabel_reader_writer import NibabelIO, NibabelIOWithReorient
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunet_uad.scoring.geometry import map_ending, to_original_geometry, write_volume

ANGLE = np.deg2rad(25)
OBLIQUE = (np.cos(ANGLE), -np.sin(ANGLE), 0, np.sin(ANGLE), np.cos(ANGLE), 0, 0, 0, 1)
GRIDS = {
    "flipped": ((2.0, 2.0, 3.0), (-1, 0, 0, 0, -1, 0, 0, 0, 1)),
    "permuted": ((2.0, 3.0, 2.0), (0, 0, 1, 1, 0, 0, 0, 1, 0)),
    "oblique": ((2.0, 2.0, 3.0), OBLIQUE),
    "anisotropic": ((0.7, 0.9, 6.0), (1, 0, 0, 0, 1, 0, 0, 0, 1)),
}
MARK = (7, 30, 11)
READERS = [SimpleITKIO, NibabelIO, NibabelIOWithReorient]


def written(path, grid):
    """A smooth image with one bright spot of 3x3 voxels and a zero border that nnU-Net crops."""
    z, y, x = np.meshgrid(*(np.linspace(0, 1, n) for n in tiny.SHAPE), indexing="ij")
    volume = np.zeros(tiny.SHAPE, np.float32)
    inner = (slice(2, 10), slice(4, 36), slice(3, 30))
    volume[inner] = (100 + 50 * z + 200 * y + 400 * x)[inner]
    volume[MARK[0], MARK[1] - 1 : MARK[1] + 2, MARK[2] - 1 : MARK[2] + 2] = 5000
    image = SimpleITK.GetImageFromArray(volume)
    image.SetSpacing(GRIDS[grid][0])
    image.SetDirection(GRIDS[grid][1])
    image.SetOrigin((3.0, -7.0, 11.0))
    SimpleITK.WriteImage(image, str(path))
    return volume


def same_grid(first, second):
    one, two = SimpleITK.ReadImage(str(first)), SimpleITK.ReadImage(str(second))
    return all(
        np.allclose(getattr(one, get)(), getattr(two, get)(), atol=1e-4)
        for get in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection")
    )


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("grid", GRIDS)
def test_what_was_read_comes_back_on_the_same_grid(tmp_path, reader, grid):
    volume = written(tmp_path / "a_0000.nii.gz", grid)
    data, properties = reader().read_images([str(tmp_path / "a_0000.nii.gz")])
    write_volume(data[0], properties, tmp_path / "out.nii.gz")
    write_volume(data[0] > 4000, properties, tmp_path / "mask.nii.gz")
    assert np.allclose(
        SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / "out.nii.gz"))), volume, atol=1e-3
    )
    mask = SimpleITK.ReadImage(str(tmp_path / "mask.nii.gz"))
    assert mask.GetPixelID() == SimpleITK.sitkUInt8
    marked = np.argwhere(SimpleITK.GetArrayFromImage(mask))
    assert len(marked) == 9 and marked.mean(0).tolist() == list(MARK)
    assert same_grid(tmp_path / "a_0000.nii.gz", tmp_path / "out.nii.gz")


@pytest.mark.parametrize("configuration", ["2d_tiny", "3d_tiny"])
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("grid", GRIDS)
def test_a_marked_spot_is_found_where_it_was(tmp_path, tiny_dataset, configuration, reader, grid):
    """Through nnU-Net's transposition, cropping and resampling, and back."""
    path = tmp_path / "a_0000.nii.gz"
    written(path, grid)
    content = json.loads((tiny_dataset / "nnUNetPlans.json").read_text())
    content["image_reader_writer"] = reader.__name__
    content["transpose_forward"], content["transpose_backward"] = [1, 0, 2], [1, 0, 2]
    plans = PlansManager(content)
    manager = plans.get_configuration(configuration)
    dataset_json = json.loads((tiny_dataset / "dataset.json").read_text())
    data, _, properties = DefaultPreprocessor(verbose=False).run_case(
        [str(path), str(path)], None, plans, manager, dataset_json
    )
    back = to_original_geometry(data, properties, plans, manager)
    write_volume(back[0], properties, tmp_path / "out.nii.gz")
    assert same_grid(path, tmp_path / "out.nii.gz")
    result = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / "out.nii.gz")))
    centre = np.argwhere(result > result.max() / 2).mean(0)
    # The spot is blurred by the way to the plan's grid and back; its centre stays within half a voxel of either.
    spacing = np.array(GRIDS[grid][0][::-1])
    allowed = np.maximum(max(manager.spacing), spacing) / 2
    assert (np.abs(centre - MARK) * spacing <= allowed).all(), centre


@pytest.mark.parametrize("configuration", ["2d_tiny", "3d_tiny"])
def test_preprocessing_and_back_returns_the_values(tmp_path, tiny_dataset, configuration):
    path = tmp_path / "a_0000.nii.gz"
    volume = written(path, "flipped")
    volume[MARK[0], MARK[1] - 1 : MARK[1] + 2, MARK[2] - 1 : MARK[2] + 2] = 0
    image = SimpleITK.GetImageFromArray(volume)
    image.SetSpacing(tiny.SPACING_XYZ)
    SimpleITK.WriteImage(image, str(path))
    plans = PlansManager(json.loads((tiny_dataset / "nnUNetPlans.json").read_text()))
    manager = plans.get_configuration(configuration)
    dataset_json = json.loads((tiny_dataset / "dataset.json").read_text())
    data, _, properties = DefaultPreprocessor(verbose=False).run_case(
        [str(path), str(path)], None, plans, manager, dataset_json
    )
    back = to_original_geometry(data, properties, plans, manager)
    inside = volume > 0
    expected = (volume - volume[inside].mean()) / volume[inside].std()
    region = np.zeros(volume.shape, bool)
    region[3:9, 6:34, 5:28] = True
    region &= inside
    assert back.shape == (2, *volume.shape) and (back[0][:2] == 0).all()
    assert np.median(np.abs(back[0] - expected)[region]) < 0.05


def test_natural_images_are_written_in_2d(tmp_path):
    picture = np.zeros((20, 30), np.uint8)
    picture[4, 25] = 200
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(picture), str(tmp_path / "a_0000.png"))
    data, properties = NaturalImage2DIO().read_images([str(tmp_path / "a_0000.png")])
    write_volume(data[0] / 7, properties, tmp_path / f"map{map_ending('.png')}")
    write_volume(data[0] > 100, properties, tmp_path / "mask.png")
    score = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / "map.tif")))
    mask = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / "mask.png")))
    assert score.shape == mask.shape == (20, 30) and score.dtype == np.float32
    assert score[4, 25] == pytest.approx(200 / 7) and np.argwhere(mask).tolist() == [[4, 25]]


def test_endings():
    assert [map_ending(e) for e in (".nii.gz", ".nrrd", ".png", ".bmp", ".tif")] == [
        ".nii.gz",
        ".nrrd",
        ".tif",
        ".tif",
        ".tif",
    ]
