import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunet_uad.anomalies.mixing import HEALTHY_MARKER, PREFIX, HealthyPatches, MixedDataset


class Cases:
    def __init__(self, count, seg=None):
        self.identifiers = [f"c{i}" for i in range(count)]
        self.seg = np.zeros((1, 6, 20, 20), np.int8) if seg is None else seg

    def load_case(self, identifier):
        data = np.arange(self.seg.size, dtype=np.float32).reshape(self.seg.shape)
        return data, self.seg, None, {"class_locations": {1: []}, "spacing": 1}


def places(*rows):
    return np.array([[0, *row] for row in rows])


@given(st.integers(1, 9), st.integers(1, 9), st.floats(0.05, 0.95))
@settings(max_examples=60, deadline=None)
def test_the_share(annotated, healthy, share):
    source = HealthyPatches(Cases(healthy), {f"c{i}": places((1, 2, 3)) for i in range(healthy)}, (8, 8), None)
    mixed = MixedDataset(Cases(annotated), source, share)
    measured = sum(k.startswith(PREFIX) for k in mixed.identifiers) / len(mixed.identifiers)
    assert measured == pytest.approx(share, abs=0.011)
    assert len(set(mixed.identifiers)) == annotated + healthy


def test_only_synthetic_needs_no_annotated_case():
    source = HealthyPatches(Cases(2), {"c1": places((1, 2, 3))}, (8, 8), None)
    assert set(MixedDataset(Cases(0), source, 1.0).identifiers) == {PREFIX + "c1"}
    with pytest.raises(ValueError, match="no annotated case"):
        MixedDataset(Cases(0), source, 0.5)
    with pytest.raises(ValueError, match="no healthy patch"):
        MixedDataset(Cases(1), HealthyPatches(Cases(2), {}, (8, 8), None), 0.5)


def test_a_slice_is_cut_out_and_marked():
    seg = np.full((1, 6, 20, 20), -1, np.int8)
    seg[:, :, 5:15, 5:15] = 0
    key = (-1, 0, 1, 2)
    source = HealthyPatches(Cases(1, seg), {"c0": places((4, 9, 7))}, (8, 8), key)
    data, marked, _, properties = source.load_case("c0")
    assert data.shape == (1, 1, 20, 20) and np.array_equal(data[0, 0], Cases(1, seg).load_case("c0")[0][0, 4])
    assert set(np.unique(marked)) == {-1, HEALTHY_MARKER}
    assert properties["class_locations"][1].tolist() == properties["class_locations"][key].tolist() == [[0, 0, 9, 7]]


def test_a_box_is_cut_out_around_the_centre():
    source = HealthyPatches(Cases(1), {"c0": places((1, 10, 19))}, (4, 8, 8), None)
    data, marked, _, properties = source.load_case("c0")
    assert data.shape == (1, 4, 8, 5) == marked.shape
    assert properties["class_locations"][1].tolist() == [[0, 1, 4, 4]]
    z, y, x = properties["class_locations"][1][0, 1:]
    assert data[0, z, y, x] == Cases(1).load_case("c0")[0][0, 1, 10, 19]
