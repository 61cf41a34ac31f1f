import pytest
import scans

from nnunet_uad.quality.descriptors import BOTH, DESCRIPTORS, HIGH, LOW, described, descriptor


@pytest.mark.parametrize("row", DESCRIPTORS, ids=lambda row: row.name)
def test_what_is_suspicious_has_a_sentence(row):
    # The sentence on orientation names the way of turning, and is made where it is known.
    if row.name != "upright":
        assert row.low if row.suspicious in (LOW, BOTH) else not row.low
        assert row.high if row.suspicious in (HIGH, BOTH) else not row.high
    assert row.floor > 0 and ":" not in row.name


def test_every_number_of_a_scan_has_a_row(reference):
    assert {descriptor(name).name for name in reference.names} | {"value 5", "value 50", "value 95"} == {
        row.name for row in DESCRIPTORS
    }


def test_names_for_tables():
    assert described("bias:1", scans.CHANNELS) == "T1: drift of brightness"
    assert described("outline", scans.CHANNELS) == "overlap with the mean outline (Dice)"
