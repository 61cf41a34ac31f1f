import csv

import numpy as np

from nnunet_uad.selection.coverage import Choice
from nnunet_uad.selection.reasons import reason, write_table
from nnunet_uad.selection.units import Chosen, Unit


def chosen(rank, case, index=None, distance=None, doubt=None):
    unit = Unit(case, index, False, np.zeros(1), 1.23456, 0.5 if doubt is not None else float("nan"))
    return Chosen(unit, rank, Choice(0, 7, 0.25, distance), 0.5, doubt)


def test_in_words():
    first = reason(chosen(1, "a"), "case")
    assert first.startswith("the most typical: nearest to the others of 7 unlabelled cases; its anomaly map is higher")
    assert "folds" not in first
    later = reason(chosen(2, "b", distance=0.8, doubt=0.75), "case")
    assert later.startswith("unlike what is labelled") and later.endswith("the folds agree less than in 75% of them")


def test_one_row_per_case_or_slice(tmp_path):
    labels = {"a": tmp_path / "labels" / "a.nii.gz"}
    (row,) = csv.DictReader(write_table(tmp_path, [chosen(1, "a")], "z", labels).open())
    assert row["case"] == "a" and row["label"] == "labels/a.nii.gz" and row["anomaly"] == "1.2346"
    assert row["distance"] == row["agreement"] == "" and "slice" not in row
    rows = list(csv.DictReader(write_table(tmp_path, [chosen(1, "a", 4), chosen(2, "a", 9, 0.5)], "z", labels).open()))
    assert [(r["slice"], r["axis"], r["distance"]) for r in rows] == [("4", "z", ""), ("9", "z", "0.5")]
