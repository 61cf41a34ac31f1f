import csv

import pytest

from nnunet_uad.common.csv_files import cell, write_csv_file


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x","y")'])
def test_a_text_never_begins_a_formula_and_can_be_read_back(tmp_path, text):
    path = write_csv_file(tmp_path / "t.csv", [text], [[text, -1.5, None, float("nan"), float("inf"), "a, b"]])
    with path.open(newline="", encoding="utf-8") as handle:
        rows = list(csv.reader(handle))
    assert rows == [[f"'{text}"], [f"'{text}", "-1.5", "", "", "inf", "a, b"]]


def test_other_values_stay():
    assert [cell(v) for v in ("arm", "a=b", 0, -0.5, True, "")] == ["arm", "a=b", 0, -0.5, True, ""]
