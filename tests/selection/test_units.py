import numpy as np
import pytest

from nnunet_uad.selection import units
from nnunet_uad.selection.description import Description
from nnunet_uad.selection.units import Unit, Weights, case_units, choose_units, slice_units


def describe(value, slices=4, agreement=np.nan):
    """A case all of whose features have one value, its first slice without foreground."""
    weight = np.ones(slices)
    weight[0] = 0
    first = np.full((slices, 2), float(value)) * weight[:, None]
    return Description(
        first_slice=np.array(10),
        raw_slices=np.array(slices),
        weight=weight,
        first=first,
        second=first**2,
        peak=first,
        anomaly=np.array(float(value)),
        slice_anomaly=np.arange(slices) + float(value),
        agreement=np.array(agreement),
        slice_agreement=np.full(slices, agreement),
    )


def test_cases_as_units():
    found = case_units({"a": describe(1), "b": describe(2, agreement=0.5)}, ["b"])
    assert [(u.case, u.slice, u.labelled, u.anomaly) for u in found] == [("a", None, False, 1), ("b", None, True, 2)]
    np.testing.assert_allclose(found[1].descriptor, [2, 2, 0, 0, 2, 2])
    assert found[1].agreement == 0.5


def test_slices_as_units():
    labelled = {"b": np.arange(20) == 12}
    found = slice_units({"a": describe(1), "b": describe(2)}, labelled)
    assert [(u.case, u.slice) for u in found] == [(c, k) for c in "ab" for k in (11, 12, 13)]
    assert [u.labelled for u in found] == [False, False, False, False, True, False]
    assert [u.anomaly for u in found[:3]] == [2, 3, 4]


def test_of_too_many_slices_some_are_taken(monkeypatch):
    monkeypatch.setattr(units, "MOST", 4)
    told = []
    found = slice_units({"a": describe(1), "b": describe(2)}, {}, told.append)
    assert [(u.case, u.slice) for u in found] == [("a", 11), ("a", 13), ("b", 11), ("b", 13)]
    assert "6 slices are too many to compare: of each case every 2th" in told[0]


def unit(case, value, labelled=False, anomaly=0.0, agreement=float("nan")):
    return Unit(case, None, labelled, np.array([float(value)]), anomaly, agreement)


def test_reasons_are_told_among_the_unlabelled():
    given = [unit("a", 0, labelled=True, anomaly=9), unit("b", 5, anomaly=1), unit("c", 6, anomaly=2), unit("d", 0.1)]
    first, second, third = choose_units(given, 5, Weights(0, 0))
    assert [c.unit.case for c in (first, second, third)] == ["c", "b", "d"] or first.unit.case == "b"
    assert {c.unit.case: c.anomaly_above for c in (first, second, third)} == {"b": 0.5, "c": 1.0, "d": 0.0}
    assert first.rank == 1 and first.disagreement_above is None


def test_unusual_and_unsure_ones_come_first_among_alike():
    alike = [unit("a", 1, anomaly=1, agreement=0.9), unit("b", 1, anomaly=2, agreement=0.8), unit("z", 5)]
    (chosen,) = choose_units(alike, 1, Weights())
    assert chosen.unit.case == "b" and chosen.disagreement_above == pytest.approx(1)
    assert choose_units(alike, 1, Weights(0, 0))[0].unit.case == "a"


def test_nothing_left():
    with pytest.raises(ValueError, match="nothing left to label"):
        choose_units([unit("a", 0, labelled=True)], 1, Weights())
