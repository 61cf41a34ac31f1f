import numpy as np
import pytest

from nnunet_uad.data.centres import healthy_box_centres, sample_locations
from nnunet_uad.data.sampling import CentredDataset, find_locations, healthy_patches


class _Dataset:
    """Case a is healthy, every voxel of case b is labelled."""

    identifiers = ["a", "b"]  # noqa: RUF012

    def __init__(self, shape=(2, 2, 2)):
        self.shape = shape

    def load_case(self, key):
        seg = np.zeros((1, *self.shape), np.int16)
        if key == "b":
            seg[:] = 1
        return np.zeros((2, *self.shape)), seg, None, {"class_locations": {1: "old"}, "spacing": 1}


class _Volume:
    """One case with a lesion in its first slice and no foreground in the last column."""

    identifiers = ["c"]  # noqa: RUF012

    def __init__(self):
        self.seg = np.zeros((6, 8, 8), np.int16)
        self.seg[0, 2:5, 2:5] = 1
        self.seg[..., -1] = -1

    def load_case(self, key):
        return None, self.seg[None], None, {}


def test_cases_without_locations_are_left_out_and_others_offer_only_theirs():
    locations = find_locations(_Dataset(), lambda seg: seg == 0, seed=0)
    dataset = CentredDataset(_Dataset(), locations)
    assert dataset.identifiers == ["a"]
    _, _, _, properties = dataset.load_case("a")
    assert list(properties["class_locations"]) == [1]
    assert properties["class_locations"][1].shape == (8, 4)
    assert properties["spacing"] == 1
    assert dataset["a"][3]["spacing"] == 1


def test_healthy_slices_are_those_without_labels_and_with_enough_foreground():
    rows = healthy_patches(_Volume(), (10, 10), (8, 8), least_foreground=56)["c"]
    assert rows.dtype == np.int32 and len(rows) == 5 * 56 and set(rows[:, 1]) == {1, 2, 3, 4, 5}
    assert healthy_patches(_Volume(), (10, 10), (8, 8), least_foreground=57) == {}


def test_healthy_boxes_are_those_whose_loaded_box_holds_no_label():
    volume = _Volume()
    rows = healthy_patches(volume, (3, 5, 5), (2, 4, 4), seed=4)["c"]
    assert np.array_equal(rows, sample_locations(healthy_box_centres(volume.seg, (3, 5, 5), (2, 4, 4)), 10_000, 4))
    assert len(healthy_patches(volume, (3, 3, 3), (2, 3, 3))["c"]) > len(rows)


def test_anywhere_ignores_the_labels_but_not_the_background():
    rows = healthy_patches(_Volume(), (3, 5, 5), (2, 4, 4), sampling="anywhere")["c"]
    assert len(rows) == 6 * 8 * 7 and rows[:, 3].max() == 6


def test_the_seed_chooses_among_too_many_centres():
    draws = [healthy_patches(_Dataset((2, 80, 80)), (8, 8), (8, 8), seed=seed)["a"] for seed in (0, 0, 1)]
    assert draws[0].shape == (10_000, 4)
    assert np.array_equal(draws[0], draws[1]) and not np.array_equal(draws[0], draws[2])


def test_cases_without_a_patch_are_not_among_the_locations():
    assert list(healthy_patches(_Dataset(), (2, 2), (2, 2))) == ["a"]


@pytest.mark.parametrize(
    ("patch", "least", "unit"),
    [
        ((4, 4), 1, r"a slice without labelled voxels\."),
        ((4, 4), 64, r"a slice without labelled voxels and with at least 64 foreground voxels\."),
        ((2, 4, 4), 64, r"a patch of \(2, 4, 4\) voxels without labelled voxels\."),
    ],
)
def test_no_patch_at_all_is_refused_with_the_callers_advice(patch, least, unit):
    dataset = _Dataset()
    dataset.identifiers = ["b"]
    message = rf"^None of the 1 training cases has {unit} Add healthy cases\.$"
    with pytest.raises(ValueError, match=message):
        healthy_patches(dataset, patch, patch, least_foreground=least, advice="Add healthy cases.")
    assert healthy_patches(dataset, patch, patch, least_foreground=least) == {}


def test_images_without_foreground_are_refused_whatever_the_labels():
    volume = _Volume()
    volume.seg[:] = -1
    with pytest.raises(ValueError, match=r"None of the 1 training cases has a voxel that is not background\. Look\."):
        healthy_patches(volume, (4, 4), (4, 4), sampling="anywhere", advice="Look.")
