import math

import numpy as np
import pytest
from scipy import ndimage

from nnunet_uad.metrics.lesions import LESION_METRICS, LesionCounts, connected_components, count_lesions


def volume(*boxes):
    mask = np.zeros((10, 20, 20), bool)
    for z, y, x in boxes:
        mask[z, y, x] = True
    return mask


A, B = (slice(0, 2), slice(0, 5), slice(0, 2)), (slice(5, 7), slice(10, 12), slice(10, 12))


def test_hand_worked():
    # Of A's 20 voxels 2 are selected (a tenth: found); B is missed; one finding lies elsewhere.
    selected = volume((slice(0, 2), slice(0, 1), slice(0, 1)), (slice(9, 10), slice(0, 2), slice(0, 2)))
    counts = count_lesions(selected, volume(A, B))
    assert counts == LesionCounts(lesions=2, found=1, findings=2, correct=1, scans=1)
    assert counts.recall == counts.precision == counts.f1 == 0.5 and counts.false_positives_per_scan == 1
    keys = ("lesion_recall", "lesion_precision", "lesion_F1", "false_positives_per_scan")
    assert {m.key: m.of(counts) for m in LESION_METRICS} == dict(zip(keys, (0.5, 0.5, 0.5, 1), strict=True))


def test_a_mask_of_everything_finds_all_and_is_wrong():
    counts = count_lesions(np.ones((10, 20, 20), bool), volume(A, B))
    assert counts.recall == 1 and counts.precision == 0 and counts.f1 == 0


def test_diagonal_neighbours_are_one_lesion():
    assert count_lesions(volume(), volume((1, 1, 1), (2, 2, 2))).lesions == 1


def test_too_little_overlap_is_missed():
    selected = volume((slice(0, 1), slice(0, 1), slice(0, 1)))
    assert count_lesions(selected, volume(A)).found == 0
    assert count_lesions(selected, volume(A), min_overlap=0.05).found == 1


def test_counts_of_scans_add_up():
    total = count_lesions(volume(A), volume(A)) + count_lesions(volume(B), volume())
    assert total.false_positives_per_scan == 0.5 and total.recall == 1


@pytest.mark.parametrize("name", ["recall", "precision", "f1"])
def test_nothing_there_is_undefined(name):
    assert math.isnan(getattr(LesionCounts(scans=1), name))


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3])
def test_components_within_their_box_are_those_of_the_whole_volume(share):
    mask = np.zeros((8, 20, 20), bool)
    mask[2:7, 3:15, 5:20] = np.random.default_rng(0).random((5, 12, 15)) < share
    expected, number = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    labels, count = connected_components(mask)
    assert count == number and np.array_equal(labels, expected)
