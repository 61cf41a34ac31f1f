import json
from dataclasses import replace

import pytest

from nnunet_uad.dicom.record import CaseRecord, ChannelRecord, Record

CASE = CaseRecord("1.2", [ChannelRecord("FLAIR", "1.2.3", ["1.2.3.4"], True)], "folder")
RECORD = Record({"case_001": CASE})


def test_a_record_is_read_as_it_was_written(tmp_path):
    RECORD.write(tmp_path)
    assert Record.read(tmp_path) == RECORD


def test_records_are_of_the_same_series_wherever_these_lie():
    assert CASE.is_of_same(replace(CASE, folder="elsewhere"))
    assert not CASE.is_of_same(replace(CASE, study="1.3")) and not CASE.is_of_same(replace(CASE, channels=[]))


def test_missing_and_damaged_records_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="It is written by: nnunet_uad dicom import"):
        Record.read(tmp_path)
    (tmp_path / "dicom.json").write_text(json.dumps({"cases": {"a": {"study": 1}}}))
    with pytest.raises(ValueError, match="cases: a lacks channels. It is written by"):
        Record.read(tmp_path)
