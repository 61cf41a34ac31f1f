import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunet_uad.anomalies.shapes import LesionShapes, perlin_mask, random_blob, random_box, random_place


def write(path, values, spacing=(1.0, 1.0, 1.0)):
    image = SimpleITK.GetImageFromArray(values)
    image.SetSpacing(spacing)
    SimpleITK.WriteImage(image, str(path))


@given(st.integers(0, 500))
@settings(max_examples=40, deadline=None)
def test_perlin_masks_lie_in_the_foreground_and_are_never_empty(seed):
    rng = np.random.RandomState(seed)
    foreground = np.zeros((40, 30), bool)
    foreground[5:35, 4:26] = True
    mask = perlin_mask(foreground, (2.0, 2.0), rng)
    assert mask.any() and not (mask & ~foreground).any()


@given(st.integers(0, 500), st.sampled_from([(2.0, 2.0), (3.0, 1.0, 1.0)]))
@settings(max_examples=40, deadline=None)
def test_boxes_and_blobs_have_the_size_that_was_asked(seed, spacing):
    rng = np.random.RandomState(seed)
    foreground = np.ones((60,) * len(spacing), bool)
    box = random_box(foreground, spacing, (12.0, 30.0), rng)
    for b, s in zip(box, spacing, strict=True):
        assert 12 - s <= (b.stop - b.start) * s <= 30 + s and 0 <= b.start < b.stop <= 60
    blob = random_blob(foreground, spacing, (12.0, 30.0), rng)
    assert (blob.depth > 0).any() and blob.soft(2.0).min() >= 0 and blob.soft(2.0).max() <= 1


def test_places_are_of_the_boxs_size_and_reach_every_border():
    rng, box = np.random.RandomState(0), (slice(2, 5), slice(0, 8))
    places = [random_place(box, (6, 8), rng) for _ in range(40)]
    assert all(p[0].stop - p[0].start == 3 and p[1] == slice(0, 8) for p in places)
    assert {p[0].start for p in places} == {0, 1, 2, 3}


def test_without_foreground_there_is_no_place():
    nothing, rng = np.zeros((8, 8), bool), np.random.RandomState(0)
    assert random_box(nothing, (1, 1), (2, 4), rng) is None and random_blob(nothing, (1, 1), (2, 4), rng) is None
    assert not perlin_mask(nothing, (1.0, 1.0), rng).any()


def test_lesions_of_a_folder_keep_their_size_in_mm(tmp_path):
    z, y, x = np.meshgrid(np.arange(20), np.arange(40), np.arange(40), indexing="ij")
    values = (((z - 9) / 7) ** 2 + ((y - 20) / 13) ** 2 + ((x - 18) / 10) ** 2 < 1).astype(np.uint8)
    values[1, 38, 38] = 1  # too small at 2 mm
    write(tmp_path / "a.nii.gz", values)
    volume, area = 4 / 3 * np.pi * 7 * 13 * 10, np.pi * 13 * 10
    shapes = LesionShapes(tmp_path, (2.0, 2.0, 2.0))
    assert len(shapes.fields) == 1
    assert (shapes.fields[0] > 0).sum() * 8 == pytest.approx(volume, rel=0.15)
    flat = LesionShapes(tmp_path, (2.0, 2.0))
    largest = max((f > 0).sum() * 4 for f in flat.fields)
    assert len(flat.fields) == 13 and largest == pytest.approx(area, rel=0.1)
    place = np.zeros((40, 40, 40), bool)
    place[20, 20, 20] = True
    drawn = shapes.draw(place, np.random.RandomState(0))
    assert np.array_equal(np.sort((drawn.depth > 0).sum((1, 2))), np.sort((shapes.fields[0] > 0).sum((1, 2))))


def test_lesions_are_cut_at_the_border(tmp_path):
    write(
        tmp_path / "a.nii.gz", np.ones((5, 30, 30), np.uint8) * (np.arange(5) % 2 == 1)[:, None, None].astype(np.uint8)
    )
    shapes = LesionShapes(tmp_path, (1.0, 1.0))
    place = np.zeros((12, 12), bool)
    place[0, 11] = True
    drawn = shapes.draw(place, np.random.RandomState(0))
    assert drawn.depth.shape == tuple(b.stop - b.start for b in drawn.box) and drawn.box[1].stop == 12


def test_bad_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match="names no folder"):
        LesionShapes(tmp_path / "nowhere", (1.0, 1.0))
    with pytest.raises(ValueError, match="holds no masks"):
        LesionShapes(tmp_path, (1.0, 1.0))
    write(tmp_path / "a.nii.gz", np.zeros((4, 4, 4), np.uint8))
    with pytest.raises(ValueError, match="are empty"):
        LesionShapes(tmp_path, (1.0, 1.0))
    write(tmp_path / "b.nii.gz", np.arange(64, dtype=np.uint8).reshape(4, 4, 4))
    with pytest.raises(ValueError, match="no binary mask"):
        LesionShapes(tmp_path, (1.0, 1.0))
