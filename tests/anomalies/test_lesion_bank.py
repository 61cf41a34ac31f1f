import numpy as np
import pytest

from nnunet_uad.anomalies import lesion_bank
from nnunet_uad.anomalies.lesion_bank import LesionBank

IGNORE = 9


def case(*boxes, shape=(8, 40, 40), seed=0):
    """A random image with a margin outside the nonzero region, and boxes of (class, slices)."""
    labels = np.zeros(shape, np.int16)
    labels[..., :3] = -1
    for value, box in boxes:
        labels[box] = value
    return np.random.default_rng(seed).standard_normal((2, *shape)).astype(np.float32), labels


TWO_CLASSES = [(1, np.s_[3:6, 10:20, 10:20]), (2, np.s_[4, 12:15, 12:15])]


def test_a_lesion_keeps_its_classes_its_image_and_its_surroundings():
    image, labels = case(*TWO_CLASSES)
    (lesion,) = LesionBank.cut([("a", image, labels)], (3.0, 2.0, 2.0)).lesions
    # 6 mm around the lesion: 2 slices of 3 mm, 3 voxels of 2 mm.
    box = np.s_[1:8, 7:23, 7:23]
    assert np.array_equal(lesion.image, image[(slice(None), *box)]) and np.array_equal(lesion.labels, labels[box])
    assert lesion.case == "a" and np.array_equal(lesion.healthy, labels[box] == 0)
    assert np.array_equal(lesion.depth > 0, lesion.labels > 0)


def test_2d_plans_get_the_lesions_of_slices():
    image, labels = case(*TWO_CLASSES, (2, np.s_[4, 30:33, 30:33]), (1, np.s_[7, 30, 30]))
    bank = LesionBank.cut([("a", image, labels)], (2.0, 2.0))
    # Three slices of one, one of the other; a single voxel is none.
    assert sorted(int((entry.labels > 0).sum()) for entry in bank.lesions) == [9, 100, 100, 100]
    assert all(entry.image.ndim == 3 and entry.image.shape[1:] == entry.labels.shape for entry in bank.lesions)
    assert sum(int((entry.labels == 2).sum()) for entry in bank.lesions) == 18


@pytest.mark.parametrize(("spacing", "kept"), [((2.0, 2.0), 2), ((3.0, 2.0, 2.0), 1)])
def test_what_ends_where_nobody_labelled_is_left_out(spacing, kept):
    """Slices are labelled: in 2D those give lesions, in 3D nobody knows how thick the lesion is."""
    image, labels = case((1, np.s_[3:6, 10:20, 10:20]), (1, np.s_[1, 30:35, 30:35]))
    labels[3:] = np.where(np.arange(5)[:, None, None] == 1, labels[3:], IGNORE)
    bank = LesionBank.cut([("a", image, labels)], spacing, ignore=IGNORE)
    assert (len(bank.lesions), bank.incomplete) == (kept, 2 - kept)
    assert all(set(np.unique(entry.labels)) == {0, 1} for entry in bank.lesions)


def test_a_neighbour_is_neither_part_of_a_lesion_nor_healthy():
    image, labels = case((1, np.s_[4, 10:14, 10:14]), (2, np.s_[4, 10:14, 16:20]))
    lesion = next(
        entry for entry in LesionBank.cut([("a", image, labels)], (2.0, 2.0)).lesions if entry.labels.max() == 1
    )
    assert lesion.labels.sum() == 16 and not lesion.healthy[3:7, 9].any()


def test_mirrored_and_scaled_in_all_its_parts():
    image, labels = case(*TWO_CLASSES)
    (lesion,) = LesionBank.cut([("a", image, labels)], (3.0, 2.0, 2.0)).lesions
    mirrored = lesion.mirrored([0, 2])
    assert np.array_equal(mirrored.image, lesion.image[:, ::-1, :, ::-1])
    assert np.array_equal(mirrored.depth, lesion.depth[::-1, :, ::-1])
    assert lesion.scaled(1.0) is lesion
    for factor in (0.5, 2.0):
        scaled = mirrored.scaled(factor)
        assert scaled.image.shape[1:] == scaled.labels.shape == scaled.healthy.shape == scaled.depth.shape
        assert {0, 1} <= set(np.unique(scaled.labels)) <= {0, 1, 2} and scaled.labels.dtype == lesion.labels.dtype
        assert (scaled.labels > 0).sum() == pytest.approx(factor**3 * (lesion.labels > 0).sum(), rel=0.4)
        assert scaled.depth.max() == pytest.approx(factor * lesion.depth.max(), abs=1.5)


def test_draws_reach_every_case_and_repeat_with_the_seed():
    many = [(1, np.s_[z, y : y + 3, 10:13]) for z in range(8) for y in range(4, 32, 8)]
    bank = LesionBank.cut([("many", *case(*many)), ("one", *case(*TWO_CLASSES))], (2.0, 2.0), count=2)
    draws = [
        [bank.draw(True, (0.5, 2.0), 1e9, rng).case for _ in range(200)] for rng in map(np.random.RandomState, (3, 3))
    ]
    assert draws[0] == draws[1] and 70 < draws[0].count("one") < 130


@pytest.mark.parametrize(("room", "low", "high"), [(1e9, 400, 3200), (900, 400, 1100), (1, 400, 600)])
def test_a_lesion_is_not_made_larger_than_there_is_room(room, low, high):
    bank = LesionBank.cut([("a", *case((1, np.s_[2:6, 8:24, 8:23])))], (2.0, 2.0, 2.0))
    assert bank.lesions[0].voxels == 960
    sizes = [bank.draw(False, (0.8, 1.4), room, np.random.RandomState(seed)).voxels for seed in range(30)]
    assert low <= min(sizes) and max(sizes) <= high


@pytest.mark.parametrize(("most", "room"), [(5, 2**30), (1000, 30_000)])
def test_a_full_bank_keeps_a_share_of_each_case_and_says_what_it_left_out(monkeypatch, most, room):
    monkeypatch.setattr(lesion_bank, "MOST_LESIONS", most)
    monkeypatch.setattr(lesion_bank, "MOST_BYTES", room)
    cases = [
        (name, *case(*[(1, np.s_[z, y : y + 3, 10:13]) for z in range(8) for y in range(4, 32, 8)])) for name in "abc"
    ]
    bank = LesionBank.cut(iter(cases), (2.0, 2.0), count=3)
    assert 3 <= len(bank.lesions) <= most and bank.nbytes <= room
    assert bank.cases == ("a", "b", "c") and len(bank.lesions) + bank.beyond == 96


def test_no_lesion_is_an_empty_bank():
    assert LesionBank.cut([("a", *case())], (2.0, 2.0)).lesions == ()
