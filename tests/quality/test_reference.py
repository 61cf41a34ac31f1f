import dataclasses

import numpy as np
import pytest
import scans

from nnunet_uad.quality import reference as module
from nnunet_uad.quality.likeness import TURNS
from nnunet_uad.quality.reference import Reference, Setup


def test_it_is_kept_in_a_file_without_names(reference, tmp_path):
    path = tmp_path / "r.safetensors"
    reference.write(path)
    found = Reference.read(path, "Make it.")
    for field in dataclasses.fields(Reference):
        if field.name not in ("values", "mean"):
            assert getattr(found, field.name) == getattr(reference, field.name)
    np.testing.assert_allclose(found.values, reference.values, atol=1e-5)
    np.testing.assert_allclose(found.mean.cube, reference.mean.cube, atol=1e-5)


def test_another_version_is_refused(reference, tmp_path, monkeypatch):
    reference.write(tmp_path / "r")
    monkeypatch.setattr(module, "VERSION", 99)
    with pytest.raises(ValueError, match="version 1 of the reference, 99 is expected. Make it"):
        Reference.read(tmp_path / "r", "Make it.")


def test_arrays_of_another_shape_are_refused(reference, tmp_path):
    dataclasses.replace(reference, values=reference.values[:, 1:]).write(tmp_path / "r")
    with pytest.raises(ValueError, match="its arrays do not fit its record"):
        Reference.read(tmp_path / "r", "Make it.")


def test_each_scan_is_judged_by_the_others(reference):
    profiles = [scans.profile(scans.scan(seed)) for seed in range(24)]
    without = Reference.of(profiles[1:], scans.SETUP)
    assert without.telling == reference.telling
    np.testing.assert_allclose(without.numbers(profiles[0]), reference.values[0], atol=1e-6)


def test_the_phantoms_tell_directions_but_left_from_right(reference):
    names = {TURNS[k].name for k in reference.telling}
    assert "zyx, y reversed" in names and "zyx, z reversed" in names and "zyx, x reversed" not in names


def test_scans_without_a_channel_are_left_out():
    profiles = [scans.profile(scans.scan(seed)) for seed in range(4)]
    profiles[0] = dataclasses.replace(profiles[0], faults=("T1 is missing",))
    made = Reference.of(profiles, scans.SETUP)
    assert made.left_out == 1 and len(made.values) == 3
    with pytest.raises(ValueError, match="needs 3 complete training scans or more, found 2"):
        Reference.of(profiles[:3], scans.SETUP)


def test_axes_are_strange_where_all_training_scans_have_company(reference):
    assert reference.strange_axes("RAS") and not reference.strange_axes("LPS")
    mixed = dataclasses.replace(reference, axes=("LPS", "LPS", "RAS"))
    assert not mixed.strange_axes("LIP")


def test_a_setup_has_a_kind_per_channel():
    with pytest.raises(ValueError, match="absolute expects 1 values, found 2"):
        Setup(("CT",), ".nii.gz", "SimpleITKIO", (True, False))
