import json

import pytest
import studies
import tiny
from reports import report, table

from nnunet_uad.report.collect import collect
from nnunet_uad.report.label_free import best_intensity, map_rows
from nnunet_uad.study.layout import Layout

TRAINERS = {"map": "nnUNetPretrainerDAE", "scratch": "nnUNetTrainer", "DAE": "nnUNetTrainerDAEPretrained"}


def test_maps_are_a_line_a_table_and_a_sentence(workplace):
    layout = workplace.plan(trainers=TRAINERS, budgets=[1, 3])
    studies.finish(layout)
    studies.finish_maps(layout)
    folder, page = report(workplace, trainers=TRAINERS, budgets=[1, 3])
    rows = table(folder, f"label_free_{tiny.DATASET}")
    assert [(r["map"], r["kind"], r["ap"]) for r in rows] == [
        ("map", "model", "0.6"),
        ("intensity:FLAIR", "intensity", "0.5"),
        ("intensity:T1", "intensity", "0.3"),
    ]
    assert float(rows[0]["dice_oracle"]) == pytest.approx(0.55) and rows[0]["cases"] == "2"
    text = (folder / "index.html").read_text()
    assert "map (no labels, ⌈Dice⌉)" in text and "no labels" in {cell for row in page.rows for cell in row}
    assert "Without any label, the map of map reaches a mean AP of 0.600" in text
    assert "with a threshold chosen on the test cases themselves; intensity:FLAIR, without any model, an AP of" in text
    classes = {r["trainer"]: (r["class"], r["does"]) for r in table(folder, "trainers")}
    assert classes["scratch"][0] == "nnUNetTrainer_1epochs_2iters"
    assert "nnU-Net's own optimiser" in classes["scratch"][1]
    assert classes["map"][1] == "anomaly maps, no labels" and "from those weights" in classes["DAE"][1]
    # Arms with labels are compared as before: the baseline is the first of them.
    assert {r["trainer"] for r in table(folder, f"scores_{tiny.DATASET}")} == {"scratch", "DAE"}
    assert {r["trainer"] for r in table(folder, f"differences_{tiny.DATASET}")} == {"DAE"}


def test_a_study_without_labels_has_a_report_too(workplace):
    changes = {"trainers": {"map": "nnUNetPretrainerDAE"}, "budgets": None}
    layout = workplace.plan(**changes)
    with pytest.raises(ValueError, match="No cell of the study .* is finished yet"):
        collect(layout)
    studies.finish_maps(layout)
    rows = map_rows(collect(Layout(layout.folder)), tiny.DATASET)
    assert best_intensity(rows).name == "intensity:FLAIR"
    folder, page = report(workplace, **changes)
    assert not (folder / f"scores_{tiny.DATASET}.csv").exists() and (folder / f"label_free_{tiny.DATASET}.csv").exists()
    assert "How well do map find the lesions" in (folder / "index.html").read_text() and page.headings


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["summary"]["scores"].pop("map"), "summary: scores lacks map"),
        (lambda c: c["summary"]["metric_per_case"].pop(), "expects the test cases .*lesion_2, lesion_3.*found"),
        (
            lambda c: c["summary"]["metric_per_case"][0]["metrics"]["map"].update(AP=1.5),
            "AP of map expects .*found 1.5",
        ),
        (lambda c: c["summary"]["scores"]["map"]["pooled"]["AUPRO"].update(value=-1), "AUPRO expects .*found -1"),
    ],
)
def test_damaged_scores_are_refused_by_name(workplace, change, message):
    layout = workplace.plan(trainers={"map": "nnUNetPretrainerDAE"}, budgets=None)
    studies.finish_maps(layout)
    (path,) = layout.folder.glob("cells/map/fold0/anomaly_*.json")
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        collect(layout)
