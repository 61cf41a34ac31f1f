import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnunet_uad.choosing.arms import Entry
from nnunet_uad.choosing.folds import InnerFolds
from nnunet_uad.choosing.studies import Setting, arms_of, length, study_content, write_study
from nnunet_uad.common.yaml_files import read_yaml
from nnunet_uad.study.study_file import read_study

ARMS = {"DAE: ours": Entry("nnUNetTrainerDAEPretrained"), "weights": Entry("nnUNetTrainerMAEPretrained", "/x/y.pth")}


def setting(device="cpu", labelled=("a", "b"), unlabelled=9):
    folds = InnerFolds((3, 4), tuple(labelled), unlabelled)
    return Setting("Dataset991_Tiny", "2d_tiny", "nnUNetPlans", device, 7, folds)


@given(st.integers(10, 250_000))
def test_a_length_is_as_many_steps_or_a_few_less_and_its_own_length(steps):
    found = length(steps)
    taken = found["epochs"] * found["iterations"]
    assert 0 <= steps - taken < 250 and taken > 0.9 * steps - 10 and found["iterations"] <= 250
    assert length(taken) == found


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_rung_is_a_study(tmp_path, device):
    content = study_content(setting(device), ARMS, 300, 2, 3, "Rung 3")
    path = tmp_path / "rung_3.yaml"
    write_study(path, content, "Rung 3 of 3.")
    study = read_study(path)
    assert path.read_text().startswith("# Rung 3 of 3.\n") and "&id" not in path.read_text()
    assert study.baseline == "scratch" and study.folds == ("3", "4") and study.budgets == ("all",) and study.draws == 2
    assert study.fine_tuning.steps == 300 and study.pretraining.steps == 900 and study.pretraining.shared
    assert study.trainers["weights"].weights == "/x/y.pth" and arms_of(read_yaml(path)) == list(ARMS)
    assert study.seed == 3007 and (study.resources_of("train").threads == 1) == (device == "cpu")


def test_pretraining_follows_what_is_trained(tmp_path):
    content = study_content(setting(), ARMS, 336, 1, 1, "")
    assert content["fine_tuning"] == {"epochs": 10, "iterations": 33} and content["pretraining"]["iterations"] == 99


def test_without_many_unlabelled_cases_every_fold_pretrains_itself():
    assert "shared" not in study_content(setting(unlabelled=3), ARMS, 300, 1, 1, "")["pretraining"]
