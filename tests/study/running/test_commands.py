import shlex

import pytest

from nnunet_uad.common.commands import executable
from nnunet_uad.study.running.commands import pretrained_file, pretraining_command, training_command
from nnunet_uad.study.running.preparation import STARTED, is_prepared, preparation_commands


def test_commands_are_nnunets_own(workplace, monkeypatch):
    monkeypatch.setenv("nnUNet_extTrainer", "/others")
    layout = workplace.plan(budgets=["2s", 1], draws=1, seed=7)
    (identifier,) = layout.pretrainings
    pretraining = pretraining_command(layout, identifier)
    words = pretraining.words
    assert words[0] == executable("nnUNetv2_train") and words[1:4] == ("Dataset991_Tiny", "2d_tiny", "0")
    assert words[4:] == ("-tr", "nnUNetPretrainerDAE_1epochs_2iters", "-p", "nnUNetPlans", "-device", "cpu")
    assert pretraining.environment["nnUNet_uad_settings"] == "sampling=anywhere seed=7 mirroring=false"
    assert pretraining.environment["nnUNet_extTrainer"].endswith("plugin:/others")
    assert pretraining.environment["nnUNet_n_proc_DA"] == "0" and pretraining.environment["nnUNet_def_n_proc"] == "1"
    cell = layout.cells["DAE/fold0_1_draw0"]
    training = training_command(layout, cell)
    assert training.words[1:4] == ("Dataset991_Tiny", "2d_tiny", str(cell.fold["index"]))
    assert training.environment["nnUNet_uad_pretrained"] == str(pretrained_file(layout, identifier))
    assert training.environment["nnUNet_results"] == str(layout.folder / "models" / "DAE")
    scratch = training_command(layout, layout.cells["scratch/fold0_2s_draw0"])
    # Not even a variable of the user's own may lend weights to the baseline.
    assert scratch.environment["nnUNet_uad_pretrained"] == "" == scratch.environment["nnUNet_uad_restorer"]
    assert scratch.words[1] == layout.plan["slice_dataset"]
    assert shlex.split(str(training))[-len(training.words) :] == list(training.words)


def test_what_is_prepared_is_left_alone(workplace):
    layout = workplace.plan(budgets=[1], draws=1)
    assert is_prepared(workplace.source, layout.study, layout.folder) and preparation_commands(layout) == []
    (layout.folder / STARTED).touch()
    assert not is_prepared(workplace.source, layout.study, layout.folder)
    assert [c[1:] for c in preparation_commands(layout)] == [
        ["-d", "991", "-plans_name", "nnUNetPlans", "-c", "2d_tiny"],
    ]


@pytest.mark.parametrize("planned", [True, False])
def test_from_raw_data(workplace, planned):
    """Plans, a small configuration, preprocessing; only what is missing."""
    import json
    import shutil

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
