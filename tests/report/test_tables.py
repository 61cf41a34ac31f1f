import json
import math
import os
import shutil

import numpy as np
import pytest
import studies
import tiny
from reports import report, table

from nnunet_uad.metrics import segmentation
from nnunet_uad.metrics.metric import ReportedMetric


def test_numbers_are_those_of_the_rows(finished):
    folder, page = report(finished)
    rows = table(folder, "cases")
    assert len(rows) == 2 * 6 * 2  # arms, folds, cases
    arm = [float(r["dice"]) for r in rows if (r["budget"], r["trainer"]) == ("3", "DAE")]
    base = [float(r["dice"]) for r in rows if (r["budget"], r["trainer"]) == ("3", "scratch")]
    (score,) = [r for r in table(folder, "scores_Dataset991_Tiny") if (r["budget"], r["trainer"]) == ("3", "DAE")]
    assert float(score["dice"]) == pytest.approx(sum(arm) / 4) and score["trainings"] == "2" == score["cases"]
    assert float(score["lesion_recall"]) == 0.5 and float(score["false_positives_per_scan"]) == 2
    assert float(score["low_95"]) < float(score["dice"]) < float(score["high_95"])
    (difference,) = [r for r in table(folder, "differences_Dataset991_Tiny") if r["budget"] == "3"]
    assert float(difference["difference"]) == pytest.approx((sum(arm) - sum(base)) / 4)
    assert f"{float(score['dice']):.3f}" in str(page.rows)
    transfer = {r["trainer"]: r for r in table(folder, "transfer")}
    assert transfer["DAE"]["decoder"] == "0.5" and transfer["scratch"]["encoder"] == ""
    saving = table(folder, "label_saving")
    assert {r["budget"] for r in saving} == {"2s", "1", "3"} and all(float(r["factor"]) > 1 for r in saving)
    reliability = table(folder, "reliability")
    assert {r["budget"] for r in reliability} == {"2s", "1", "3"}


def test_gaps_are_gaps(workplace):
    layout = workplace.plan()
    gone = [i for i in layout.cells if "_3_" in i and i.startswith("DAE")]
    studies.finish(layout, leave=(*gone, "scratch/fold0_1_draw1"))
    folder, _ = report(workplace)
    rows = {(r["budget"], r["trainer"]): r for r in table(folder, "scores_Dataset991_Tiny")}
    assert rows["3", "DAE"]["dice"] == "" and rows["3", "DAE"]["trainings"] == "0"
    assert rows["1", "scratch"]["trainings"] == "1" and rows["1", "scratch"]["planned"] == "2"
    # Compared on the one draw that both have.
    differences = {r["budget"]: r for r in table(folder, "differences_Dataset991_Tiny")}
    assert differences["3"]["difference"] == "" and differences["1"]["trainings"] == "1"
    text = (folder / "index.html").read_text()
    assert "3 of 12 trainings are not finished" in text and gone[0] in text and "not finished</td>" in text
    assert not any(r["dice"] == "0" for r in rows.values())


def test_undefined_scores_are_left_out(workplace):
    layout = workplace.plan(budgets=[1, 3])
    studies.finish(layout)
    for identifier in layout.cells:
        path = layout.scores(identifier, tiny.DATASET)
        content = json.loads(path.read_text())
        content["rows"][0] |= {"Dice": None, "AP": None}
        path.write_text(json.dumps(content))
    folder, _ = report(workplace, budgets=[1, 3])
    rows = table(folder, "scores_Dataset991_Tiny")
    assert all(r["cases"] == "1" and not math.isnan(float(r["dice"])) for r in rows)


def test_other_datasets_have_their_own_tables(workplace, tmp_path, monkeypatch):
    raw = tmp_path / "raw"
    shutil.copytree(os.environ["nnUNet_raw"] + "/" + tiny.DATASET, raw / tiny.DATASET)
    tiny.write_raw(raw, "Dataset992_Other", seed=100)
    description = json.loads((raw / "Dataset992_Other" / "dataset.json").read_text())
    description["channel_names"] = {"0": "T1", "1": "FLAIR"}
    (raw / "Dataset992_Other" / "dataset.json").write_text(json.dumps(description))
    for case in tiny.HEALTHY:
        for path in (raw / "Dataset992_Other").rglob(f"{case}*"):
            path.unlink()
    workplace.raw = raw
    monkeypatch.setenv("nnUNet_raw", str(raw))
    changes = {"test": [992], "budgets": [1, 3], "draws": 1}
    layout = workplace.plan(**changes)
    # Channels in the model's order, whatever the order of the other dataset.
    link = layout.images("Dataset992_Other") / f"{tiny.LESION[0]}_0000.nii.gz"
    assert link.resolve().name == f"{tiny.LESION[0]}_0001.nii.gz"
    studies.finish(layout)
    folder, page = report(workplace, **changes)
    assert {r["trainer"] for r in table(folder, "scores_Dataset992_Other")} == {"scratch", "DAE"}
    assert "Dataset992_Other_dice" in table(folder, "pathologies")[0]
    assert "Dataset992_Other: never trained on" in page.headings
    assert sum(a.startswith("Dataset992_Other, ") for a in page.alts) == 2


def test_a_further_row_is_a_further_column_everywhere(finished, monkeypatch):
    """A metric that is added as a row, here a made-up one, is in the files of scores, on the page and in the CSV."""
    size = ReportedMetric("size", lambda case: float(case.predicted.sum()), "predicted voxels", "voxels", digits=1)
    monkeypatch.setattr(segmentation, "CASE_METRICS", (*segmentation.CASE_METRICS, size))
    mask = np.ones((2, 3, 4), int)
    case = segmentation.SegmentedCase(mask, mask, 1.0 * mask, mask > 0, (1.0, 1.0, 1.0), {"1": 1.0})
    assert segmentation.measure(case) == {"Dice": 1.0, "AP": 1.0, "size": 24.0}
    # Scores of before the metric was added have none: a dash, not a zero.
    for index, path in enumerate(sorted((finished.folder / "study" / "cells").rglob(f"scores_{tiny.DATASET}.json"))):
        content = json.loads(path.read_text())
        if "_3_" not in str(path):
            content["rows"] = [row | {"size": 10.0 * index} for row in content["rows"]]
            path.write_text(json.dumps(content))
    folder, page = report(finished)
    rows = {(r["budget"], r["trainer"]): r for r in table(folder, f"scores_{tiny.DATASET}")}
    cases = table(folder, "cases")
    for key, row in rows.items():
        values = [float(r["voxels"]) for r in cases if (r["budget"], r["trainer"]) == key and r["voxels"]]
        assert (row["voxels"] == "" and not values) if key[0] == "3" else float(row["voxels"]) == np.mean(values)
    heading = next(r for r in page.rows if "predicted voxels" in r)
    place = heading.index("predicted voxels")
    assert heading[place - 1] == "AP" and heading[place + 1] == "lesion recall"
    shown = {(r[0], r[1]): r[place] for r in page.rows if len(r) == len(heading)}
    assert shown["1 case", "DAE"] == f"{float(rows['1', 'DAE']['voxels']):.1f}" and shown["3 cases", "DAE"] == "–"
