import json
import math

import pytest
import studies
import tiny
from reports import report, table

from nnunet_uad.report.collect import collect
from nnunet_uad.report.label_free import map_rows, shown_rows, strongest_floor
from nnunet_uad.study.layout import Layout

TRAINERS = {"map": "nnUNetPretrainerDAE", "scratch": "nnUNetTrainer", "DAE": "nnUNetTrainerDAEPretrained"}


def test_maps_are_a_line_a_table_and_a_sentence(workplace):
    layout = workplace.plan(trainers=TRAINERS, budgets=[1, 3])
    studies.finish(layout)
    studies.finish_maps(layout)
    folder, page = report(workplace, trainers=TRAINERS, budgets=[1, 3])
    rows = table(folder, f"label_free_{tiny.DATASET}")
    assert [(r["map"], r["kind"], f"{float(r['ap']):.3g}") for r in rows] == [
        ("map", "model", "0.6"),
        ("robust_z:FLAIR", "intensity", "0.4"),
        ("robust_z:FLAIR@1mm", "intensity", "0.5"),
        ("robust_z:FLAIR@2mm", "intensity", "0.45"),
        ("robust_z:T1", "intensity", "0.3"),
    ]
    # No small lesion in these cases.
    assert {(r["lesion_recall_fpr_0.01"], r["lesion_recall_small_fpr_0.01"]) for r in rows} == {("0.75", "")}
    assert "0.750" in next(row for row in page.rows if row and row[0] == "map" and "no labels" in row)
    # A floor that was not looked at closely has no Dice; on the page stands the best scale of each channel.
    assert [bool(r["dice_oracle"]) for r in rows] == [True, False, True, False, True]
    on_page = [row[0] for row in page.rows if row and row[0].startswith("robust_z:")]
    assert on_page == ["robust_z:FLAIR@1mm", "robust_z:T1"]
    assert float(rows[0]["dice_oracle"]) == pytest.approx(0.55) and rows[0]["cases"] == "2"
    text = (folder / "index.html").read_text()
    assert "map (no labels, ⌈Dice⌉)" in text and "no labels" in {cell for row in page.rows for cell in row}
    assert "Without any label, the map of map reaches a mean AP of 0.600" in text
    assert "; the strongest floor, robust_z:FLAIR@1mm, without any model, an AP of 0.500." in text
    classes = {r["trainer"]: (r["class"], r["does"]) for r in table(folder, "trainers")}
    assert classes["scratch"][0] == "nnUNetTrainer_1epochs_2iters"
    assert "nnU-Net's own optimiser" in classes["scratch"][1]
    assert classes["map"][1] == "anomaly maps, no labels" and "from those weights" in classes["DAE"][1]
    # Arms with labels are compared as before: the baseline is the first of them.
    assert {r["trainer"] for r in table(folder, f"scores_{tiny.DATASET}")} == {"scratch", "DAE"}
    assert {r["trainer"] for r in table(folder, f"differences_{tiny.DATASET}")} == {"DAE"}


def test_a_screen_stands_beside_what_it_is_made_of(workplace):
    changes = {"trainers": {**TRAINERS, "both": {"screen": ["scratch", "map"]}}, "budgets": [1, 3]}
    layout = workplace.plan(**changes)
    studies.finish(layout)
    studies.finish_maps(layout)
    folder, _ = report(workplace, **changes)
    rows = {(r["budget"], r["trainer"]): r for r in table(folder, f"scores_{tiny.DATASET}")}
    both, alone = rows["3", "both"], rows["3", "scratch"]
    assert both["dice"] == alone["dice"] and both["lesion_recall"] == alone["lesion_recall"]
    assert float(both["average_precision"]) == pytest.approx(float(alone["average_precision"]) + 0.1)
    assert both["calibration_error"] == "" != alone["calibration_error"]
    differences = {r["budget"]: r for r in table(folder, f"differences_{tiny.DATASET}") if r["trainer"] == "both"}
    ranked = table(folder, f"differences_{tiny.DATASET}_average_precision")
    gain = {r["trainer"]: float(r["difference"]) for r in ranked if r["budget"] == "3"}
    assert float(differences["3"]["difference"]) == 0 and gain["both"] == pytest.approx(0.1)
    # Its weights and its labels are those of scratch: no line of its own where those are told.
    for name in ("label_saving", "transfer", "reliability"):
        assert "both" not in {r["trainer"] for r in table(folder, name)}
    words = "segmentations of scratch, voxels ranked with the map of map; nothing is trained"
    assert {r["trainer"]: r["does"] for r in table(folder, "trainers")}["both"] == words
    text = (folder / "index.html").read_text()
    assert f"both ({words}) reaches a mean AP of {float(both['average_precision']):.3f} on {tiny.DATASET} with" in text
    assert "the map alone 0.600." in text and "does DAE save any?" in text


def test_a_study_without_labels_has_a_report_too(workplace):
    changes = {"trainers": {"map": "nnUNetPretrainerDAE"}, "budgets": None}
    layout = workplace.plan(**changes)
    with pytest.raises(ValueError, match="No cell of the study .* is finished yet"):
        collect(layout)
    studies.finish_maps(layout)
    rows = map_rows(collect(Layout(layout.folder)), tiny.DATASET)
    assert strongest_floor(rows).name == "robust_z:FLAIR@1mm"
    folder, page = report(workplace, **changes)
    assert not (folder / f"scores_{tiny.DATASET}.csv").exists() and (folder / f"label_free_{tiny.DATASET}.csv").exists()
    assert "How well do map find the lesions" in (folder / "index.html").read_text() and page.headings


def test_scores_of_earlier_versions_are_read(workplace):
    """Equalised intensities under their names, alone or in some of the outer folds."""
    layout = workplace.plan(trainers={"map": "nnUNetPretrainerDAE"}, budgets=None)
    studies.finish_maps(layout, beside=studies.EARLIER)
    results = collect(Layout(layout.folder))
    rows = map_rows(results, tiny.DATASET)
    assert [r.name for r in shown_rows(rows)] == ["map", "intensity:FLAIR", "intensity:T1"]
    assert strongest_floor(rows).name == "intensity:FLAIR"
    assert all(math.isnan(row.pooled["lesion_recall@fpr:0.01"]) for row in rows)
    # A further outer fold, scored anew: each row has the cases of its own, and the map all.
    (earlier,) = results.maps[tiny.DATASET, "map"]
    now = json.loads(json.dumps(earlier).replace("intensity:", "robust_z:"))
    now["metric_per_case"].append(now["metric_per_case"][0])
    results.maps[tiny.DATASET, "map"].append(now)
    rows = {row.name: row for row in map_rows(results, tiny.DATASET)}
    assert [rows[n].cases for n in ("map", "intensity:FLAIR", "robust_z:FLAIR")] == [5, 2, 3]
    assert strongest_floor(list(rows.values())).name == "robust_z:FLAIR"


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
        (
            lambda c: c["summary"]["scores"]["map"]["pooled"]["lesion_recall@fpr:0.01"].update(value=2),
            "lesion_recall@fpr:0.01 expects .*found 2",
        ),
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
