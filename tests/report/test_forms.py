import json
import math

import pytest
import studies

from nnunet_uad.report.forms import read_robustness, read_scores, read_training

ROW = studies.row("a", 0.5)
TESTED = ["a", "b"]


def write(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(json.dumps(content))
    return path


def scores(tmp_path, *rows, **changes):
    return write(tmp_path, "scores_Dataset991_Tiny.json", {"rows": list(rows), **studies.WHERE, **changes})


def without(key):
    return {k: v for k, v in ROW.items() if k != key}


def test_what_a_test_wrote_is_read_as_it_is(tmp_path):
    undefined = {**studies.row("b", None), "further metric": 7}
    path = scores(tmp_path, ROW, undefined)
    assert read_scores(path, TESTED)["rows"] == [ROW, undefined]
    # Files of earlier versions know fewer metrics and counts.
    path = scores(tmp_path, {k: ROW[k] for k in ("case", "Dice", "compared")})
    assert [row["case"] for row in read_scores(path, TESTED)["rows"]] == ["a"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({**ROW, "Dice": 5}, "Dice expects a number in .0, 1., found 5"),
        ({**ROW, "Dice": math.inf}, "Dice expects a number in .0, 1., found inf"),
        ({**ROW, "AP": 2}, "AP expects a number in .0, 1., found 2"),
        ({**ROW, "AP": math.nan}, "AP expects a number in .0, 1., found nan"),
        ({**ROW, "AP": "x"}, "AP expects"),
        (without("Dice"), "lacks Dice"),
        (without("case"), "lacks case"),
        (without("compared"), "lacks compared"),
        ({**ROW, "compared": "x"}, "compared expects one of classes, foreground, found 'x'"),
        ({**ROW, "case": "c"}, "expects test cases of the cell .*a, b.*found c"),
        ({**ROW, "lesions": {**ROW["lesions"], "found": -1}}, "found expects a number in .0, .*found -1"),
        ({**ROW, "lesions": {**ROW["lesions"], "lost": 1}}, "lesions has no key 'lost'"),
        ({**ROW, "lesions": {"lesions": 1, "found": 2}}, "found <= lesions"),
        ({**ROW, "reliability": {**ROW["reliability"], "voxels": [1, 2]}}, "voxels expects 11 numbers, found 2"),
        ({**ROW, "reliability": {"voxels": [1] * 11}}, "reliability lacks probability, positives"),
        ({**ROW, "reliability": {**ROW["reliability"], "voxels": [-1] * 11}}, "voxels expects a number in"),
        (5, "expects keys with values, found 5"),
    ],
)
def test_impossible_scores_are_refused_by_name(tmp_path, row, said):
    with pytest.raises(ValueError, match=rf"scores_Dataset991_Tiny\.json.*{said}.*nnunet_uad study run"):
        read_scores(scores(tmp_path, row), TESTED)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rows": None}, "rows expects a list, found None"),
        ({"seconds": -1}, "seconds expects a number in"),
        ({"rows": [ROW, ROW]}, "holds a twice"),
    ],
)
def test_impossible_files_are_refused_by_name(tmp_path, changes, said):
    with pytest.raises(ValueError, match=rf"scores_Dataset991_Tiny\.json.*{said}"):
        read_scores(scores(tmp_path, **changes), TESTED)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seconds": -5}, "seconds expects"),
        ({"versions": []}, "versions expects"),
        ({"device": None}, "device expects"),
    ],
)
def test_records_of_trainings_are_checked(tmp_path, changes, said):
    assert read_training(write(tmp_path, "training.json", studies.WHERE)) == studies.WHERE
    with pytest.raises(ValueError, match=rf"training\.json.*{said}"):
        read_training(write(tmp_path, "training.json", {**studies.WHERE, **changes}))


def test_summaries_of_robustness_are_checked(tmp_path):
    entry = {"clean": {"Dice": 0.5}, "mean corruption error": 1.0, "interval_95": None}
    content = {"reference": "a", "cases": 3, "trainers": {"a": entry}}
    assert read_robustness(write(tmp_path, "robustness.json", content)) == content
    for broken, said in (({"clean": {}}, "clean lacks Dice"), ({"mean corruption error": -1}, "expects a number in")):
        with pytest.raises(ValueError, match=rf"robustness\.json.*{said}"):
            read_robustness(write(tmp_path, "robustness.json", {**content, "trainers": {"a": {**entry, **broken}}}))
