import csv

from nnunet_uad.screening.export import CaseRow
from nnunet_uad.screening.findings import Finding
from nnunet_uad.screening.tables import write_tables


def finding(kind, number, peak, volume):
    return Finding(kind, number, "", -1.23456, 2.0, 3.0, 4, 5, volume, peak, peak / 2, peak / 3)


def test_a_row_per_finding_and_a_row_per_case(tmp_path):
    rows = {
        "b": CaseRow(
            0.25, [finding("unknown", 1, 3.0, 10.0), finding("known", 1, 2.0, 20.5), finding("known", 2, 1, 1)]
        ),
        "a": CaseRow(0.0, []),
    }
    findings, cases = write_tables(tmp_path, rows, {"c": "no image"})
    found = list(csv.DictReader(findings.open()))
    assert [(row["case"], row["kind"], row["number"]) for row in found] == [
        ("b", "unknown", "1"),
        ("b", "known", "1"),
        ("b", "known", "2"),
    ]
    assert (found[0]["x_mm"], found[0]["mean_score"], found[0]["peak_map"]) == ("-1.23", "1.5", "1.0")
    assert [tuple(row.values()) for row in csv.DictReader(cases.open())] == [
        ("a", "0", "0", "0", "0", "0.0", ""),
        ("b", "2", "21.5", "1", "10.0", "0.25", ""),
        ("c", "", "", "", "", "", "no image"),
    ]
