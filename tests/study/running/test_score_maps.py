import json
import os
import shutil

import pytest
import tiny

from nnunet_uad.study.running.commands import pretrained_file
from nnunet_uad.study.running.job import run_job


def test_maps_of_the_test_cases_are_written_and_scored(workplace, dae_fold):
    """The weights are those of a finished pretraining on the same fold."""
    layout = workplace.plan(
        trainers={"map": "nnUNetPretrainerDAE"}, budgets=None, pretraining={"epochs": 2, "iterations": 3}
    )
    (identifier,) = layout.pretrainings
    fold = pretrained_file(layout, identifier).parent
    fold.parent.parent.mkdir(parents=True)
    shutil.copytree(dae_fold.parent, fold.parent)
    run_job(layout, "map", "map/fold0")
    content = json.loads(layout.map_scores("map/fold0", tiny.DATASET).read_text())
    assert content["arm"] == "map" and content["seconds"] > 0
    summary = content["summary"]
    scales = ("", "@1mm", "@2mm", "@3mm")
    assert list(summary["scores"]) == ["map", *(f"robust_z:{c}{mm}" for c in ("FLAIR", "T1") for mm in scales)]
    assert summary["strongest_floor"]["score"].startswith("robust_z:FLAIR")
    assert [case["identifier"] for case in summary["metric_per_case"]] == tiny.LESION[2:]
    assert all(0 < case["metrics"]["map"]["AP"] < 1 for case in summary["metric_per_case"])
    maps = layout.cell_folder("map/fold0") / tiny.DATASET
    assert sorted(p.name for p in maps.glob("*.nii.gz")) == [f"{case}_map.nii.gz" for case in tiny.LESION[2:]]
    # Weights that have seen a test case are refused here, too.
    layout.map_scores("map/fold0", tiny.DATASET).unlink()
    layout.plan["outer"]["0"]["val"].append(tiny.HEALTHY[0])
    del layout.map_cells
    with pytest.raises(RuntimeError, match=f"LEAKAGE: 1 test .*{tiny.HEALTHY[0]}"):
        run_job(layout, "map", "map/fold0")
    assert os.environ["nnUNet_preprocessed"] == str(workplace.preprocessed)
