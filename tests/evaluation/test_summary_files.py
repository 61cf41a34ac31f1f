import csv
import json

import pytest

from nnunet_uad.evaluation.summary_files import check_output, write_evaluation


@pytest.mark.parametrize("name", ["", "out", "s.csv", "labels/c1.nii.gz", "s.json/s.json"])
def test_a_place_that_cannot_be_written_is_refused(tmp_path, name):
    (tmp_path / "out").mkdir()
    (tmp_path / "s.json").write_text("{}")
    with pytest.raises((ValueError, OSError), match=r"^-o |s\.json"):
        check_output(tmp_path / name)
    check_output(tmp_path / "new" / "s.json")
    assert (tmp_path / "new").is_dir() and not list((tmp_path / "new").iterdir())


def test_the_table_has_the_numbers_of_the_summary(tmp_path):
    value = {"AP": {"value": 0.5, "interval_95": (0.4, 0.6)}}
    unknown = {"Dice": {"value": None, "interval_95": None}}
    mask = {"threshold": {"value": 2.0, "origin": "given"}, "pooled": unknown, "mean_over_cases": {}}
    summary = {
        "scores": {"map": {"pooled": value, "mean_over_cases": unknown, "masks": {"fixed": mask}}},
        "metric_per_case": [{"identifier": "c1", "metrics": {"map": {"AP": 0.3, "masks/fixed": {"Dice": 0.7}}}}],
        "strongest_floor": {"score": "robust_z:F", "map_minus_floor": value},
    }
    path = write_evaluation(summary, tmp_path / "s.json")
    assert json.loads((tmp_path / "s.json").read_text()) == json.loads(json.dumps(summary))
    assert path == tmp_path / "s.csv"
    assert [tuple(row.values()) for row in csv.DictReader(path.open())] == [
        ("map", "pooled", "", "AP", "0.5", "0.4", "0.6"),
        ("map", "mean over cases", "", "Dice", "", "", ""),
        ("map", "pooled", "fixed", "Dice", "", "", ""),
        ("map - robust_z:F", "mean over cases", "", "AP", "0.5", "0.4", "0.6"),
        ("map", "c1", "", "AP", "0.3", "", ""),
        ("map", "c1", "fixed", "Dice", "0.7", "", ""),
    ]
