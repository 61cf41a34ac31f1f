import csv
import json
import shutil

import numpy as np
import pytest
import SimpleITK
import tiny

from nnunet_uad.selection import run
from nnunet_uad.selection.run import label_next


def _values(path):
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))


def _same_grid(path, other):
    one, two = SimpleITK.ReadImage(str(path)), SimpleITK.ReadImage(str(other))
    return all(
        getattr(one, f"Get{what}")() == getattr(two, f"Get{what}")()
        for what in ("Size", "Spacing", "Origin", "Direction")
    )


@pytest.mark.slow
def test_cases_without_any_supervised_model(place):
    told = []
    result = label_next(place.request(count=1), told.append)
    assert told[0] == "2 unlabelled case(s), 2 labelled." and not result.failed
    (row,) = csv.DictReader(result.table.open())
    assert row["case"] in ("healthy_1", "lesion_1") and row["agreement"] == "" and float(row["distance"]) > 0
    template = place.output / row["label"]
    image = place.raw / "imagesTr" / f"{row['case']}_0000.nii.gz"
    assert _same_grid(template, image) and not _values(template).any()
    assert (place.output / "montages" / f"{row['case']}.png").is_file()
    # More of the same order: the first stays, with whatever was labelled in its template.
    labels = SimpleITK.ReadImage(str(template))
    labels[3, 3, 3] = 1
    SimpleITK.WriteImage(labels, str(template))
    again = label_next(place.request(count=9), told.append)
    assert [c.unit.case for c in again.chosen][:1] == [row["case"]] and len(again.chosen) == 2
    assert _values(template).sum() == 1
    assert any("4 of 4 cases were looked at already" in t for t in told)
    assert any("1 template(s)" in t and "kept" in t for t in told) and any("2 are left: all of them" in t for t in told)
    with pytest.raises(ValueError, match=r"a choice that were? made differently \(count\)|made differently \(count\)"):
        label_next(place.request(count=1), told.append)


@pytest.mark.slow
def test_slices_with_proposals_and_folds_that_disagree(place, monkeypatch):
    request = place.request(count=3, slices=True, segmenter=place.segmenter, proposals=True)
    result = label_next(request, lambda told: None)
    rows = list(csv.DictReader(result.table.open()))
    assert len(rows) == 3 and all(0 <= float(r["agreement"]) <= 1 and r["axis"] == "z" for r in rows)
    description = json.loads((place.output / "dataset.json").read_text())
    assert description["labels"]["ignore"] == 3
    for case in {r["case"] for r in rows}:
        chosen = sorted(int(r["slice"]) for r in rows if r["case"] == case)
        values = _values(place.output / "labels" / f"{case}.nii.gz")
        assert (np.delete(values, chosen, axis=0) == 3).all() and (values[chosen] < 3).all()
    assert any((_values(place.output / "labels" / f"{r['case']}.nii.gz")[int(r["slice"])] > 0).any() for r in rows)
    with pytest.raises(ValueError, match="made differently"):
        label_next(place.request(count=4, slices=True, segmenter=place.segmenter, proposals=True), lambda told: None)


@pytest.mark.slow
def test_interrupted_and_continued(place, monkeypatch):
    looked = []
    look = run.NextModels.look

    def stop(self, identifier, prepared):
        if len(looked) == 2:
            raise KeyboardInterrupt("now")
        looked.append(identifier)
        return look(self, identifier, prepared)

    monkeypatch.setattr(run.NextModels, "look", stop)
    with pytest.raises(KeyboardInterrupt, match="now"):
        label_next(place.request(count=2), lambda told: None)
    looked.clear()
    monkeypatch.setattr(run.NextModels, "look", lambda *a: (looked.append(a[1]), look(*a))[1])
    result = label_next(place.request(count=2), lambda told: None)
    assert len(result.chosen) == 2 and len(looked) <= 3


def test_what_cannot_be_is_refused(place, monkeypatch):
    monkeypatch.setattr(run.NextModels, "load", lambda request: pytest.fail("loaded"))
    missing = place.request(model=place.model.with_name("nnUNetPretrainerMAE__nnUNetPlans__2d_tiny"))
    with pytest.raises(
        FileNotFoundError, match=r"needs no label: nnUNetv2_train Dataset991_Tiny 2d_tiny 0 -tr nnUNetPr"
    ):
        label_next(missing)
    place.output.touch()
    with pytest.raises(ValueError, match="expects a folder to write into, found the file"):
        label_next(place.request())


@pytest.mark.slow
def test_nothing_left_is_refused_before_any_case_is_looked_at(place):
    for case in (tiny.HEALTHY[1], tiny.LESION[1]):
        shutil.copy(place.raw / "labelsTr" / "lesion_0.nii.gz", place.raw / "labelsTr" / f"{case}.nii.gz")
    with pytest.raises(ValueError, match="No unlabelled case is left"):
        label_next(place.request())
    assert not place.output.exists()


@pytest.mark.slow
def test_a_case_that_fails_does_not_stop_the_others(place):
    path = place.raw / "imagesTr" / "lesion_1_0001.nii.gz"
    path.write_bytes(path.read_bytes()[:200])
    told = []
    result = label_next(place.request(segmenter=place.segmenter, segmenter_folds=[0]), told.append)
    assert [c.unit.case for c in result.chosen] == ["healthy_1"] and "lesion_1" in result.failed
    assert any("one fold" in t for t in told)
