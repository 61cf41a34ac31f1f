import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import tiny

from nnunet_uad.common.schema import build
from nnunet_uad.data.probability_files import combined_probability
from nnunet_uad.inference.segmenter import segmented
from nnunet_uad.metrics.curves import Curve, average_precision
from nnunet_uad.metrics.histogram import ScoreHistogram
from nnunet_uad.screening.calibration import Calibration, combined
from nnunet_uad.study.running import screen_cell
from nnunet_uad.study.running.commands import pretrained_file, training_command
from nnunet_uad.study.running.job import run_job
from nnunet_uad.study.running.predict_cell import cases_to_test, load_cell
from nnunet_uad.study.running.screen_cell import Screened, calibration_cases

TRAINERS = {
    "scratch": "nnUNetTrainerFromScratch",
    "map": "nnUNetPretrainerDAE",
    "screen": {"screen": ["scratch", "map"]},
}


OTHER = "Dataset992_Other"
SCREEN, SCRATCH = "screen/fold0_2_draw0", "scratch/fold0_2_draw0"


@pytest.fixture
def trained(workplace, dae_fold, results, tmp_path, monkeypatch):
    """A study whose trainings are there: a finished pretraining, and a network that has not made a step.

    It is tested on a case of another pathology, too.
    """
    workplace.raw = tmp_path / "raw"
    other = tiny.write_raw(workplace.raw, OTHER, {"background": 0, "plaque": 1, "core": 2}, seed=100)
    (workplace.raw / tiny.DATASET).symlink_to(Path(os.environ["nnUNet_raw"]) / tiny.DATASET)
    monkeypatch.setenv("nnUNet_raw", str(workplace.raw))
    for case in (*tiny.HEALTHY, *tiny.LESION[1:]):
        for path in other.rglob(f"{case}*"):
            path.unlink()
    stage_one = {"epochs": 2, "iterations": 3}
    layout = workplace.plan(trainers=TRAINERS, budgets=["2s", 2], draws=1, pretraining=stage_one, test=[992])
    (identifier,) = layout.pretrainings
    fold = pretrained_file(layout, identifier).parent
    fold.parent.parent.mkdir(parents=True)
    shutil.copytree(dae_fold.parent, fold.parent)
    target = training_command(layout, layout.cells[SCRATCH]).folder
    made = tiny.save_untrained(target.parent.name.split("__")[0], fold=int(target.name.removeprefix("fold_")))
    target.parent.parent.mkdir(parents=True)
    shutil.copytree(made.parent, target.parent)
    return layout


def rows_of(layout, identifier, dataset):
    return {row["case"]: row for row in json.loads(layout.scores(identifier, dataset).read_text())["rows"]}


def test_segmentations_stay_and_voxels_are_ranked_by_both(trained):
    layout, cell = trained, trained.cells[SCREEN]
    assert ("train", SCREEN) not in list(layout.jobs())
    for stage, identifier in {"test": SCRATCH, "map": "map/fold0"}.items():
        run_job(layout, stage, identifier)
    run_job(layout, "test", SCREEN)
    content = json.loads((layout.cell_folder(SCREEN) / "calibration.json").read_text())
    calibration = build(Calibration, content)
    # Measured on the labelled cases, never on a test case.
    assert calibration.cases == sorted(cell.fold["train"])
    maps = layout.cell_folder("map/fold0_labelled") / tiny.DATASET
    assert sorted(p.name for p in maps.glob("*.nii.gz")) == [f"{case}_map.nii.gz" for case in calibration.cases]
    predictor = load_cell(layout, layout.cells[SCRATCH])
    for dataset, cases in {tiny.DATASET: tiny.LESION[2:], OTHER: tiny.LESION[:1]}.items():
        alone, both = (rows_of(layout, identifier, dataset) for identifier in (SCRATCH, SCREEN))
        assert list(both) == cases == list(alone)
        for case, images, label, _ in cases_to_test(layout, cell, dataset):
            ranked = ("AP", "reliability")
            kept = {key: value for key, value in alone[case].items() if key not in ranked}
            assert {key: value for key, value in both[case].items() if key != "AP"} == kept
            score, truth = (
                SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(p)))
                for p in (layout.cell_folder("map/fold0") / dataset / f"{case}_map.nii.gz", label)
            )
            probability = combined_probability(segmented(predictor, images)[1])
            histogram = ScoreHistogram()
            histogram.add(combined(score, probability, calibration), truth > 0)
            expected = average_precision(Curve.of(histogram))
            assert both[case]["AP"] == pytest.approx(expected) != alone[case]["AP"]
    assert both[tiny.LESION[0]]["compared"] == "foreground"
    # What the parts left is needed, and asked for by name.
    screened = Screened(layout, cell, *layout.parts(cell), predictor, calibration)
    (layout.cell_folder("map/fold0") / tiny.DATASET / f"{tiny.LESION[2]}_map.nii.gz").unlink()
    with pytest.raises(FileNotFoundError, match=f"holds nothing of {tiny.LESION[2]} any more. Delete .*anomaly_"):
        screened.score(tiny.DATASET)


def test_of_a_slice_budget_only_the_labelled_slices_are_healthy(trained):
    layout, cell = trained, trained.cells["screen/fold0_2s_draw0"]
    ((case, slices),) = cell.fold["slices"].items()
    assert calibration_cases(layout, cell) == [case]
    predictor = load_cell(layout, layout.cells[SCRATCH])
    mask = screen_cell._annotated(layout, cell, case, predictor, tiny.SHAPE)
    found = np.flatnonzero(mask.any((1, 2)))
    # Indices are those of the preprocessed image, whose first slice, an empty one, was cropped.
    assert mask.shape == tiny.SHAPE and found.tolist() == [z + 1 for z in slices]
    assert screen_cell._annotated(layout, layout.cells[SCREEN], case, predictor, tiny.SHAPE).all()


def test_many_labelled_cases_are_not_all_calibrated_on(trained, monkeypatch):
    layout, cell = trained, trained.cells[SCREEN]
    cell.fold["train"] = [*tiny.HEALTHY, tiny.LESION[0]]
    monkeypatch.setattr(screen_cell, "MOST_CASES", 3)
    chosen = calibration_cases(layout, cell)
    assert len(set(chosen)) == 3 and chosen[-1] == tiny.LESION[0]
