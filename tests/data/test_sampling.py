import numpy as np

from nnunet_uad.data.sampling import CentredDataset, find_locations


class _Dataset:
    identifiers = ["a", "b"]  # noqa: RUF012

    def load_case(self, key):
        seg = np.zeros((1, 2, 2, 2), np.int16)
        if key == "b":
            seg[:] = 1
        return np.zeros((2, 2, 2, 2)), seg, None, {"class_locations": {1: "old"}, "spacing": 1}


def test_cases_without_locations_are_left_out_and_others_offer_only_theirs():
    locations = find_locations(_Dataset(), lambda seg: seg == 0, seed=0)
    dataset = CentredDataset(_Dataset(), locations)
    assert dataset.identifiers == ["a"]
    _, _, _, properties = dataset.load_case("a")
    assert list(properties["class_locations"]) == [1]
    assert properties["class_locations"][1].shape == (8, 4)
    assert properties["spacing"] == 1
    assert dataset["a"][3]["spacing"] == 1
