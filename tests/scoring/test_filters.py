import numpy as np

from nnunet_uad.scoring.filters import eroded, median_filtered, without_small_components


def test_erosion_is_in_mm():
    mask = np.ones((9, 21, 21), bool)
    mask[:, :, :2] = False
    inner = eroded(mask, (5.0, 1.0, 1.0), 3.0)
    # Along x the mask begins at voxel 2: the voxels 2 to 4 are at most 3 mm from the background.
    assert not inner[4, 10, 4] and inner[4, 10, 5]
    # Along z a single voxel of 5 mm is deeper than 3 mm.
    assert inner[0, 10, 10] and not inner[4, 2, 10] and inner[4, 3, 10]


def test_erosion_of_a_single_slice_stays_in_the_slice():
    assert eroded(np.ones((1, 9, 9), bool), (1.0, 1.0, 1.0), 2.0)[0, 4, 4]
    assert eroded(np.ones((3, 3, 3), bool), (1, 1, 1), 0).all()


def test_median_box_is_odd_and_in_mm():
    volume = np.zeros((5, 9, 9), np.float32)
    volume[2, 4, 4:6] = 1
    assert median_filtered(volume, (5.0, 1.0, 1.0), 3.0).max() == 0
    assert median_filtered(volume, (5.0, 5.0, 5.0), 3.0) is volume


def test_small_components_go_by_volume():
    mask = np.zeros((4, 10, 10), bool)
    mask[1, 1:3, 1:3] = True
    mask[3, 8, 8] = True
    mask[1, 3, 3] = True  # diagonal to the first: one component of 5 voxels
    kept = without_small_components(mask, (2.0, 1.0, 1.0), 10.0)
    assert kept.sum() == 5 and not kept[3, 8, 8]
    assert without_small_components(mask, (2.0, 1.0, 1.0), 10.1).sum() == 0
    assert without_small_components(mask, (1, 1, 1), 0) is mask
