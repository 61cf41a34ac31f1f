import json

import pytest
import tiny

from nnunet_uad.data.preprocess import CohortRequest, preprocess_cohort
from nnunet_uad.study.running.commands import training_command


def test_arms_share_a_pretraining_if_it_is_the_same(workplace):
    trainers = {
        "scratch": "nnUNetTrainerFromScratch",
        "a": "nnUNetTrainerDAEPretrained",
        "b": {"trainer": "nnUNetTrainerDAEPretrained", "settings": "encoder_only=true"},
        "c": {"trainer": "nnUNetTrainerDAEPretrained", "pretraining": {"settings": "noise_std=[1,1]"}},
        "d": "nnUNetTrainerDAEPretrainedDiffusionResidual",
    }
    plan = workplace.plan(trainers=trainers, budgets=[1], draws=1).plan
    needs = {arm: fold["0"] for arm, fold in plan["needs"].items()}
    assert needs["a"] == needs["b"] != needs["c"]
    assert set(needs["d"]) == {"weights", "restorer"} and needs["d"]["weights"] == needs["a"]["weights"]
    assert len(plan["pretrainings"]) == 3
    assert plan["pretrainings"][needs["c"]["weights"]]["settings"].startswith("noise_std=[1,1] seed=")


def test_arms_without_labels_share_the_pretraining_and_have_a_cell_per_outer_fold(workplace):
    trainers = {
        "scratch": "nnUNetTrainerFromScratch",
        "DAE": "nnUNetTrainerDAEPretrained",
        "map": "nnUNetPretrainerDAE",
        "smooth map": {"trainer": "nnUNetPretrainerDAE", "settings": "median_mm=7"},
    }
    layout = workplace.plan(trainers=trainers, budgets=[1], draws=1)
    assert list(layout.cells) == ["scratch/fold0_1_draw0", "DAE/fold0_1_draw0"]
    assert list(layout.map_cells) == ["map/fold0", "smooth_map/fold0"]
    assert [layout.needed(cell) for cell in layout.map_cells.values()] == [{"maps": "DAE_1epochs_2iters__fold0"}] * 2
    assert len(layout.pretrainings) == 1 and layout.study.baseline == "scratch"
    assert [stage for stage, _ in layout.jobs()] == ["pretrain", "map", "map", "train", "train", "test", "test"]
    alone = workplace.plan("alone", trainers={"map": "nnUNetPretrainerDAE"}, budgets=None)
    assert not alone.cells and [stage for stage, _ in alone.jobs()] == ["pretrain", "map"]


def test_other_data_of_stage_one_must_not_hold_the_test_cases(workplace):
    target = workplace.preprocessed / "Dataset993_Unlabelled"
    preprocess_cohort(
        CohortRequest([workplace.raw / tiny.DATASET], workplace.source, "nnUNetPlans", ["2d_tiny"], target)
    )
    changes = {"pretraining": {"epochs": 1, "dataset": "Dataset993_Unlabelled"}, "budgets": [1], "draws": 1}
    plan = workplace.plan("kept_apart", **changes).plan
    assert {p["dataset"] for p in plan["pretrainings"].values()} == {"Dataset993_Unlabelled"}
    splits = json.loads((target / "splits_final.json").read_text())
    splits[0]["train"].append(tiny.LESION[3])
    (target / "splits_final.json").write_text(json.dumps(splits))
    with pytest.raises(ValueError, match=rf"LEAKAGE: 1 .* stage one \(fold 0 of .*\): {tiny.LESION[3]}\."):
        workplace.plan("leaking", **changes)
    (target / "splits_final.json").write_text("[]")
    with pytest.raises(ValueError, match="none numbered 0"):
        workplace.plan("without", **changes)


def test_one_pretraining_can_serve_all_outer_folds(workplace):
    """On the cases that none of them tests."""
    changes = {"folds": [0, 1], "budgets": ["all"], "draws": 1}
    splits = workplace.splits()
    splits[1] = {"train": [*tiny.HEALTHY, *tiny.LESION[1:]], "val": tiny.LESION[:1]}
    (workplace.source / "splits_final.json").write_text(json.dumps(splits))
    plan = workplace.plan(pretraining={"epochs": 1, "shared": True}, **changes).plan
    ((identifier, entry),) = plan["pretrainings"].items()
    assert identifier == "DAE_1epochs__shared"
    assert {fold["weights"] for fold in plan["needs"]["DAE"].values()} == {identifier}
    split = workplace.splits()[entry["fold"]]
    assert split["val"] == [tiny.LESION[0], *tiny.LESION[2:]] and split["train"] == [*tiny.HEALTHY, tiny.LESION[1]]


def test_a_pretraining_for_all_folds_needs_a_case_that_none_tests(workplace):
    everyone = [{"train": [], "val": [c]} for c in (*tiny.HEALTHY, *tiny.LESION)]
    for k, fold in enumerate(everyone):
        fold["train"] = [c for other in everyone[:k] + everyone[k + 1 :] for c in other["val"]]
    (workplace.source / "splits_final.json").write_text(json.dumps(everyone))
    with pytest.raises(ValueError, match="shared: every case is tested in some outer fold"):
        workplace.plan(pretraining={"epochs": 1, "shared": True}, folds=["all"], budgets=["all"], draws=1)


def test_an_arm_can_start_from_a_file_of_weights(workplace):
    weights = workplace.folder / "weights.pth"
    arm = {"trainer": "nnUNetTrainerDAEPretrained", "weights": "weights.pth"}
    changes = {"budgets": [1], "draws": 1}
    with pytest.raises(FileNotFoundError, match="public: there is no file of weights .*weights.pth"):
        workplace.plan("public", trainers={"scratch": "nnUNetTrainer", "public": arm}, **changes)
    weights.write_bytes(b"1")
    layout = workplace.plan("public", trainers={"scratch": "nnUNetTrainer", "public": arm}, **changes)
    assert not layout.pretrainings and layout.plan["needs"]["public"] == {"0": {}}
    assert layout.arms["public"].weights == str(weights)
    command = training_command(layout, layout.cells["public/fold0_1_draw0"])
    assert command.environment["nnUNet_uad_pretrained"] == str(weights)
    # Results of other weights are another arm's.
    first = layout.plan["arms"]["public"]
    weights.write_bytes(b"2")
    again = workplace.plan("public", trainers={"scratch": "nnUNetTrainer", "public": arm}, **changes)
    assert again.plan["arms"]["public"]["weights"] != first["weights"]
    scratch = {"trainer": "nnUNetTrainerFromScratch", "weights": "weights.pth"}
    with pytest.raises(ValueError, match="a: weights goes with a trainer that starts from weights"):
        workplace.plan("wrong", trainers={"a": scratch}, **changes)
