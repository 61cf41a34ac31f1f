"""What a study does between raw data and preprocessed ones."""

import json
import shutil

import pytest
import tiny

from nnunet_uad.study.running.preparation import STARTED, is_prepared, preparation_commands


def test_what_is_prepared_is_left_alone(workplace):
    layout = workplace.plan(budgets=[1], draws=1)
    assert is_prepared(workplace.source, layout.study, layout.folder) and preparation_commands(layout) == []
    (layout.folder / STARTED).touch()
    assert not is_prepared(workplace.source, layout.study, layout.folder)
    assert [c[1:] for c in preparation_commands(layout)] == [
        ["-d", "991", "-plans_name", "nnUNetPlans", "-c", "2d_tiny"],
    ]


def test_commands_that_take_numbers_only_get_the_number_of_a_dataset_named_by_its_name(workplace):
    layout = workplace.plan(budgets=[1], draws=1)
    layout.request["study"]["dataset"] = tiny.DATASET
    shutil.rmtree(workplace.source)
    assert all(command[1:3] == ["-d", "991"] for command in preparation_commands(layout))


@pytest.mark.parametrize("planned", [True, False])
def test_from_raw_data(workplace, planned):
    """Plans, a small configuration, preprocessing; only what is missing."""
    layout = workplace.plan(
        budgets=[1],
        draws=1,
        small_plan={"base": "2d", "spacing": 2, "patch": [32, 32], "features": [8, 16, 16], "batch": 4},
    )
    path = workplace.source / "nnUNetPlans.json"
    if planned:
        plans = json.loads(path.read_text())
        del plans["configurations"]["2d_tiny"]
        path.write_text(json.dumps(plans))
    else:
        shutil.rmtree(workplace.source)
    assert not is_prepared(workplace.source, layout.study, layout.folder)
    commands = [" ".join(c).split("/")[-1] for c in preparation_commands(layout)]
    assert commands[-2:] == [
        "nnunet_uad small-plan -d 991 -c 2d -p nnUNetPlans --name 2d_tiny --spacing 2.0 --patch 32 32 --features 8 16 "
        "16 --batch 4",
        "nnUNetv2_preprocess -d 991 -plans_name nnUNetPlans -c 2d_tiny",
    ]
    assert (commands[:-2] == []) is planned
    assert planned or commands[:2] == ["nnUNetv2_extract_fingerprint -d 991", "nnUNetv2_plan_experiment -d 991"]
    assert (layout.folder / STARTED).exists()


def test_plans_that_the_study_cannot_make_are_asked_for(workplace):
    layout = workplace.plan(budgets=[1], draws=1)
    (workplace.source / "nnUNetPlans.json").rename(workplace.source / "nnUNetPlans_strong.json")
    layout.request["study"]["plans"] = "nnUNetPlans_weak"
    with pytest.raises(
        ValueError, match=r"no plans nnUNetPlans_weak; .*nnunet_uad settings -d 991 --name nnUNetPlans_w"
    ):
        preparation_commands(layout)
    assert not (layout.folder / STARTED).exists()


def test_a_configuration_that_nobody_describes_is_asked_for(workplace):
    layout = workplace.plan(budgets=[1], draws=1)
    layout.request["study"]["configuration"] = "2d_mini"
    with pytest.raises(ValueError, match="no configuration '2d_mini'; they have: 2d, .*small_plan"):
        preparation_commands(layout)
