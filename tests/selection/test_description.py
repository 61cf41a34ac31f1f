import dataclasses

import numpy as np
import pytest

from nnunet_uad.selection.description import Description, highest_mean


@pytest.fixture
def description():
    features = np.arange(8, dtype=np.float32).reshape(4, 2)
    return Description(
        first_slice=np.array(3),
        raw_slices=np.array(4),
        weight=np.array([0, 10.0, 0.5, 5]),
        first=features,
        second=features**2,
        peak=features,
        anomaly=np.array(1.5),
        slice_anomaly=np.arange(4.0),
        agreement=np.array(np.nan),
        slice_agreement=np.full(4, np.nan),
    )


def test_written_and_read(description, tmp_path):
    description.write(tmp_path / "case.npz")
    found = Description.read(tmp_path / "case.npz")
    for field in dataclasses.fields(Description):
        np.testing.assert_array_equal(getattr(found, field.name), getattr(description, field.name))
    assert found.moments.of_volume().shape == (6,)


def test_slices_that_show_enough(description):
    assert description.worthwhile_slices() == [(4, 1), (6, 3)]
    thin = dataclasses.replace(description, raw_slices=np.array(8))
    assert thin.worthwhile_slices() == [(5, 1), (6, 1), (9, 3), (10, 3)]


def test_damaged_files_are_refused(description, tmp_path):
    path = tmp_path / "case.npz"
    description.write(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"case\.npz is damaged"):
        Description.read(path)
    np.savez(path, x=np.array([object()], dtype=object))
    with pytest.raises(ValueError, match="is damaged"):
        Description.read(path)
    dataclasses.replace(description, peak=np.zeros((3, 2))).write(path)
    with pytest.raises(ValueError, match="does not hold the description"):
        Description.read(path)


def test_highest_mean():
    score = np.arange(200.0)
    assert highest_mean(score, np.ones(200, bool)) == pytest.approx(198.5)
    assert highest_mean(score, score < 3) == 2
    assert highest_mean(score, np.zeros(200, bool)) == 0
