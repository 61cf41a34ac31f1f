import numpy as np
import pytest

from nnunet_uad.inference.scorer import Scorer
from nnunet_uad.scoring.score_settings import ScoreSettings
from nnunet_uad.screening.calibration import Calibration
from nnunet_uad.screening.explained import explained
from nnunet_uad.screening.export import ScreenExporter
from nnunet_uad.screening.models import Plans
from nnunet_uad.screening.names import KINDS, RECORD


@pytest.fixture
def exporter(tmp_path, tiny_dataset):
    """An exporter whose threshold is 2, with a margin of 2 mm."""
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    from nnunet_uad.common.json_files import read_mapping
    from nnunet_uad.inference.model_plan import ModelPlan

    plans = PlansManager(read_mapping(tiny_dataset / "nnUNetPlans.json"))
    plan = ModelPlan(plans, plans.get_configuration("2d_tiny"), read_mapping(tiny_dataset / "dataset.json"))
    calibration = Calibration(["a", "b"], 2.0, [1.0, 3.0], [0.1, 0.01], 4.0, 0.001)
    scorer = Scorer(plan, reconstructs=True, detects=False)
    return ScreenExporter(tmp_path, ["unknown", "map"], Plans(plan, plan), scorer, ScoreSettings(), calibration, 2.0, 0)


def test_a_case_counts_as_done_with_all_its_files_and_its_row(exporter, tmp_path):
    assert {kind: path.name for kind, path in exporter.paths("x", KINDS).items()} == {
        "segmentation": "x.nii.gz",
        "unknown": "x_unknown.nii.gz",
        "map": "x_map.nii.gz",
        "combined": "x_combined.nii.gz",
        "png": "x_montage.png",
    }
    (tmp_path / "cases").mkdir()
    files = [*exporter.paths("x").values(), exporter.row_path("x")]
    for path in files:
        assert not exporter.is_done("x")
        path.write_text("{}")
    assert exporter.is_done("x")
    with pytest.raises(ValueError, match=r"x\.json.*called_unknown.*Remove it"):
        exporter.rows()
    exporter.forget()
    assert not exporter.is_done("x") and exporter.rows() == {} and not any(path.exists() for path in files)


def test_files_of_a_case_that_was_not_finished_are_forgotten_with_the_others(exporter):
    half = exporter.paths("half", KINDS)["segmentation"]
    half.touch()
    exporter.forget()
    assert half.exists()
    exporter.forget(["half"])
    assert not half.exists()


def test_files_of_others_are_not_replaced(exporter, tmp_path):
    exporter.refuse_others(["x"])
    (tmp_path / "x.nii.gz").touch()
    exporter.refuse_others(["y"])
    with pytest.raises(ValueError, match=r"this command did not write: x\.nii\.gz\. Choose another -o"):
        exporter.refuse_others(["x", "y"])
    (tmp_path / RECORD).touch()
    exporter.refuse_others(["x"])


def test_what_lies_within_the_margin_is_explained(exporter):
    scores = np.array([[[0, 3, 3, 3, 1, 3]]], np.float32)
    segmentation = np.array([[[0, 1, 0, 0, 0, 0]]], np.uint8)
    case, share = exporter.judge(segmentation, scores, {"spacing": [1.0, 1.0, 1.5]})
    near = explained(segmentation > 0, (1, 1, 1.5), 2)
    assert near.tolist() == [[[True, True, True, False, False, False]]]
    assert case.unknown.tolist() == [[[False, False, False, True, False, True]]] and share == 2 / 5
    np.testing.assert_allclose(case.combined, [[[0, 4, 2, 2, 1, 2]]], atol=1e-6)
