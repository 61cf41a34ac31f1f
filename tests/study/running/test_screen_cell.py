import json
import shutil

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


SCREEN, SCRATCH = "screen/fold0_2_draw0", "scratch/fold0_2_draw0"


@pytest.fixture
def trained(workplace, dae_fold, results):
    """A study whose trainings are there: a finished pretraining, and a network that has not made a step."""
    layout = workplace.plan(trainers=TRAINERS, budgets=["2s", 2], draws=1, pretraining={"epochs": 2, "iterations": 3})
    (identifier,) = layout.pretrainings
    fold = pretrained_file(layout, identifier).parent
    fold.parent.parent.mkdir(parents=True)
    shutil.copytree(dae_fold.parent, fold.parent)
    target = training_command(layout, layout.cells[SCRATCH]).folder
    made = tiny.save_untrained(target.parent.name.split("__")[0], fold=int(target.name.removeprefix("fold_")))
    target.parent.parent.mkdir(parents=True)
    shutil.copytree(made.parent, target.parent)
    return layout


def test_segmentations_stay_and_voxels_are_ranked_by_both(trained):
    layout = trained
    assert ("train", SCREEN) not in list(layout.jobs())
    for stage, identifier in [
        ("test", SCRATCH),
        ("map", "map/fold0"),
        ("test", SCREEN),
    ]:
        run_job(layout, stage, identifier)
    alone, both = (
        {r["case"]: r for r in json.loads(layout.scores(f"{arm}/fold0_2_draw0", tiny.DATASET).read_text())["rows"]}
        for arm in ("scratch", "screen")
    )
    assert list(both) == tiny.LESION[2:] == list(alone)
    folder = layout.cell_folder(SCREEN)
    calibration = build(Calibration, json.loads((folder / "calibration.json").read_text()))
    cell = layout.cells[SCREEN]
    # Measured on the labelled cases, never on a test case.
    assert calibration.cases == sorted(cell.fold["train"])
    maps = layout.cell_folder("map/fold0_labelled") / tiny.DATASET
    assert sorted(p.name for p in maps.glob("*.nii.gz")) == [f"{case}_map.nii.gz" for case in calibration.cases]
    predictor = load_cell(layout, layout.cells[SCRATCH])
    for case, images, label, _ in cases_to_test(layout, cell, tiny.DATASET):
        row = both[case]
        assert {k: v for k, v in row.items() if k != "AP"} == {
            k: v for k, v in alone[case].items() if k not in ("AP", "reliability")
        }
        score, truth = (
            SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(p)))
            for p in (layout.cell_folder("map/fold0") / tiny.DATASET / f"{case}_map.nii.gz", label)
        )
        histogram = ScoreHistogram()
        histogram.add(combined(score, combined_probability(segmented(predictor, images)[1]), calibration), truth > 0)
        assert row["AP"] == pytest.approx(average_precision(Curve.of(histogram))) != alone[case]["AP"]
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
