import json

import pytest
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunet_uad.cli.main import main

NAME = "nnUNetPlans_strong"


@pytest.fixture
def folder(plans_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("nnUNet_results", str(tmp_path / "results"))
    return plans_folder


def settings(*words, name=NAME):
    return main(["settings", "-d", "991", "--name", name, *words])


def carried(folder, name=NAME):
    return json.loads((folder / f"{name}.json").read_text())["nnunet_uad"]["settings"]


def test_a_variant_shares_the_preprocessed_data_in_every_configuration(folder, capsys):
    assert settings("noise_std=[2,4]", "weight_decay=0.1", "-c", "2d_tiny") == 0
    told = capsys.readouterr().out
    assert "  noise_std=[2,4]: nnUNetPretrainerDAE\n" in told and "  weight_decay=0.1: All trainers\n" in told
    assert f"nnUNetv2_train 991 2d_tiny FOLD -tr TRAINER -p {NAME}" in told
    original, variant = (PlansManager(str(folder / f"{n}.json")) for n in ("nnUNetPlans", NAME))
    assert variant.plans_name == NAME and original.plans_name == "nnUNetPlans"
    for configuration in original.plans["configurations"]:
        # 2d_tiny and 3d_tiny inherit.
        old, new = original.get_configuration(configuration), variant.get_configuration(configuration)
        assert old.configuration == new.configuration
        assert old.data_identifier == new.data_identifier


def test_the_same_again_is_no_change_and_other_values_are_refused(folder, capsys):
    assert settings("noise_std=[2,4]") == 0 == settings("noise_std=[2,4]")
    capsys.readouterr()
    assert settings("noise_std=[3,4]", "sampling=anywhere") == 1
    message = capsys.readouterr().err
    assert "noise_std: [2,4] would become [3,4]; sampling: default would become anywhere" in message
    assert "--overwrite" in message and carried(folder) == {"noise_std": [2, 4]}
    assert settings("noise_std=[3,4]", "--overwrite") == 0
    assert carried(folder) == {"noise_std": [3, 4]}


def test_plans_without_settings_are_not_replaced(folder, capsys):
    before = (folder / "nnUNetPlans.json").read_text()
    assert settings("noise_std=[2,4]", "--overwrite", name="nnUNetPlans") == 1
    assert "choose another --name" in capsys.readouterr().err
    assert (folder / "nnUNetPlans.json").read_text() == before


def test_settings_of_one_trainer_are_added_to_a_variant(folder, capsys):
    settings("learning_rate=0.01")
    tuned = "nnUNetTrainerDAEPretrained"
    assert settings("-p", NAME, "-tr", f"{tuned}_5epochs", "learning_rate=0.02", "--overwrite") == 0
    assert carried(folder) == {"learning_rate": 0.01, tuned: {"learning_rate": 0.02}}
    assert f"  learning_rate=0.02: {tuned}\n" in capsys.readouterr().out


def test_models_of_the_plans_so_far_are_named(folder, capsys, tmp_path):
    settings("noise_std=[2,4]")
    model = f"nnUNetPretrainerDAE__{NAME}__2d"
    (tmp_path / "results" / folder.name / model).mkdir(parents=True)
    assert settings("noise_std=[3,4]", "--overwrite") == 0
    assert f"to be trained anew or renamed: {model}." in capsys.readouterr().out
    assert settings("noise_std=[3,4]", "--overwrite") == 0
    assert "Trained before" not in capsys.readouterr().out


def test_the_same_settings_of_another_version_are_told_apart(folder, capsys):
    settings("noise_std=[2,4]")
    path = folder / f"{NAME}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "nnunet_uad": {"settings": {"noise_std": [2, 4]}}}))
    assert settings("noise_std=[2,4]") == 1
    assert "carries the same settings, of an unknown version, this is" in capsys.readouterr().err
    assert settings("noise_std=[2,4]", "--overwrite") == 0 == settings("noise_std=[2,4]")


def test_broken_plans_of_that_name_are_named_and_can_be_replaced(folder, capsys):
    path = folder / f"{NAME}.json"
    path.write_text('{"nnunet_uad": 5}')
    assert settings("noise_std=[2,4]") == 1
    assert "found 5 for" in capsys.readouterr().err
    assert settings("noise_std=[2,4]", "--overwrite") == 0 and carried(folder) == {"noise_std": [2, 4]}
    path.write_text("{")
    assert settings("noise_std=[2,4]", "--overwrite") == 1
    assert "Delete it, then: nnunet_uad settings -d 991" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["noise_sdt=[2,4]"], "No trainer has a setting 'noise_sdt'. Did you mean 'noise_std'?"),
        (["noise_std=2"], "nnUNetPretrainerDAE: noise_std expects a value like [1.0,2.0], found 2."),
        (["-tr", "nnUNetPretrainerMAE", "noise_std=[2,4]"], "has no setting 'noise_std'"),
        (["-tr", "nnUNetPretrainerDEA", "seed=1"], "Did you mean 'nnUNetPretrainerDAE'?"),
        (["noise_std"], "expected key=value pairs"),
        (["-c", "2d_huge", "seed=1"], "have no configuration '2d_huge'; they have: 2d,"),
        (["-p", "otherPlans", "seed=1"], "nnUNetv2_plan_and_preprocess"),
        ([], "Say which settings"),
    ],
)
def test_mistakes_are_refused_before_anything_is_written(folder, capsys, words, message):
    assert settings(*words) == 1
    assert message in capsys.readouterr().err
    assert not (folder / f"{NAME}.json").exists()


def test_dataset_and_name_are_asked_for(capsys):
    assert main(["settings", "noise_std=[2,4]"]) == 1
    assert "-d DATASET --name PLANS" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--list", "-d", "991"], ["--markdown", "--name", NAME], ["--list", "seed=1"]])
def test_what_only_prints_takes_no_plans(words, capsys):
    assert main(["settings", *words]) == 1
    assert f"{words[0]} only prints" in capsys.readouterr().err


def test_the_table_of_a_trainer_is_found_under_its_name_with_a_length(capsys):
    assert main(["settings", "--markdown", "-tr", "nnUNetPretrainerDAE_20epochs"]) == 0
    assert "| `noise_std` |" in capsys.readouterr().out


def test_the_list_shows_default_unit_and_meaning(capsys):
    assert main(["settings", "--list", "-tr", "nnUNetPretrainerDAE_5epochs"]) == 0
    told = capsys.readouterr().out
    assert "noise_std=[1.0,2.0]  in (0, 100]  (z-score units)\n    " in told and "optimizer=adamw\n    " in told
    assert "mask_ratio" not in told
    assert main(["settings", "--list"]) == 0
    told = capsys.readouterr().out
    assert "# All trainers\noptimizer=adamw" in told and "# nnUNetPretrainerMAE\nmask_ratio=[0.6,0.75]" in told
    assert main(["settings", "--list", "-tr", "nnUNetPretrainerDEA"]) == 1
    assert "Did you mean 'nnUNetPretrainerDAE'?" in capsys.readouterr().err
