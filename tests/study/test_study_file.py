from pathlib import Path

import pytest
import yaml

from nnunet_uad.cli.study import EXAMPLE
from nnunet_uad.study.planning.arm_settings import check_settings
from nnunet_uad.study.study_file import output_folder, read_study, slug

ROOT = Path(__file__).parents[2]
LEAST = {
    "dataset": 901,
    "configuration": "2d",
    "budgets": ["4s", 1, "all"],
    "trainers": {"scratch": "nnUNetTrainer", "DAE": {"trainer": "nnUNetTrainerDAEPretrained", "settings": "seed=1"}},
}


def write(tmp_path, **changes):
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump({**LEAST, **changes}, sort_keys=False))
    return path


def test_the_least_study_has_sensible_defaults(tmp_path):
    study = read_study(write(tmp_path))
    assert study.dataset == "901" and study.budgets == ("4s", "1", "all") and study.draws == 3
    assert study.baseline == "scratch" and study.arms["DAE"].settings == "seed=1"
    # Healthy patches are chosen by labels that a study of few labels does not have.
    assert study.pretraining_of(study.arms["DAE"]).settings == "sampling=anywhere"
    assert study.resources_of("train").gpu == 1 and study.resources_of("preprocess").gpu == 0
    assert output_folder(tmp_path / "study.yaml", study) == tmp_path / "study"
    assert output_folder(tmp_path / "study.yaml", read_study(write(tmp_path, output="else"))) == tmp_path / "else"


def test_the_example_is_a_study(tmp_path):
    path = tmp_path / "example.yaml"
    path.write_text(EXAMPLE.read_text())
    study = read_study(path)
    assert study.small_plan.features == (16, 32, 64, 128, 128) and study.small_plan.spacing == (2.0,)
    assert study.resources_of("train").gpu == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"budgest": [1]}, "study.yaml has no key 'budgest'. Did you mean 'budgets'"),
        ({"trainers": {"a": {"triner": "x"}}}, "trainers: a has no key 'triner'. Did you mean 'trainer'"),
        ({"pretraining": {"epoch": 3}}, "pretraining has no key 'epoch'. Did you mean 'epochs'"),
        ({"trainers": {"a": {"trainer": "x", "pretraining": {"epoch": 3}}}}, "Did you mean 'epochs'"),
        ({"budgets": ["0"]}, "A budget is a number of cases"),
        ({"budgets": ["4x"]}, "found '4x'"),
        ({"budgets": [1, 1]}, "budgets lists 1 twice"),
        ({"budgets": []}, "at least one entry"),
        ({"budgets": None}, "budgets expects a word or text, found None"),
        ({"trainers": {"b": None}}, "trainers: b: lacks trainer: its name, or screen"),
        ({"trainers": {"b": 3}}, "trainers: b expects keys with values, found 3"),
        ({"device": 3}, "device expects cuda, cpu or mps, found '3'"),
        ({"folds": ["first"]}, "folds expects numbers or all, found first"),
        ({"draws": 0}, r"draws expects a number in \[1, 1000\], found 0"),
        ({"device": "tpu"}, "device expects cuda, cpu or mps, found 'tpu'"),
        ({"resources": {"training": {}}}, "resources has no key 'training'. Did you mean 'train'"),
        ({"trainers": {"a b": "x", "a-b": "y"}}, "same folder name a_b"),
        ({"fine_tuning": {"iterations": 3}}, "say how many epochs"),
        ({"draws": 10**9}, "draws expects"),
        ({"seed": -5}, "seed expects"),
        ({"seed": 10**40}, "seed expects"),
        ({"processes": -5}, "processes expects"),
        ({"retries": -1}, "retries expects"),
        ({"resources": {"train": {"threads": 0}}}, "resources: train: threads expects"),
        ({"resources": {"train": {"mem_mb": -1}}}, "resources: train: mem_mb expects"),
        ({"dataset": "*"}, "dataset expects the number or name of a dataset, found '.'"),
        ({"dataset": "/etc"}, "dataset expects the number or name of a dataset, found '/etc'"),
        ({"test": ["../x"]}, "test expects the number or name of a dataset"),
        ({"configuration": "a/b"}, "configuration expects a name of at most 100 letters without / or __"),
        ({"plans": "a__b"}, "plans expects a name"),
        ({"trainers": {"": "x"}}, "trainers expects names of 1 to 100 letters, found ''"),
        ({"trainers": {"s" * 300: "x"}}, "trainers expects names of 1 to 100 letters"),
        ({"trainers": {"a": "x/y"}}, "trainers: a: trainer expects the name of a trainer"),
        ({"budgets": ["9" * 30]}, "A budget is a number of cases"),
        ({"folds": ["\N{SUPERSCRIPT TWO}"]}, "folds expects numbers or all"),
        ({"fine_tuning": {"epochs": 0}}, r"fine_tuning: epochs expects a number in \[1, 1000000\], found 0"),
    ],
)
def test_mistakes_are_refused_in_words(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        read_study(write(tmp_path, **changes))


def test_names_and_settings_may_be_numbers(tmp_path):
    small = {"base": 2, "spacing": 1, "patch": [8, 8], "features": [4, 8], "batch": 2}
    trainers = {"a": {"trainer": "nnUNetTrainer", "settings": 4}}
    changes = {"plans": 3, "configuration": 2, "pretraining": {"settings": 5}, "fine_tuning": {"settings": 6}}
    study = read_study(write(tmp_path, **changes, trainers=trainers, small_plan=small))
    assert (study.plans, study.configuration, study.small_plan.base) == ("3", "2", "2")
    assert (study.pretraining.settings, study.fine_tuning.settings) == ("5", "6")
    assert study.arms["a"].settings == "4"
    for wrong in ({"plans": -3}, {"configuration": -1}, {"small_plan": {**small, "base": -2}}, {"trainers": {"a": 3}}):
        with pytest.raises(ValueError, match=r"study\.yaml.* expects"):
            read_study(write(tmp_path, **{**changes, "trainers": trainers, **wrong}))


def test_no_file_and_no_yaml(tmp_path):
    with pytest.raises(FileNotFoundError, match="nnunet_uad study example"):
        read_study(tmp_path / "nothing.yaml")
    (tmp_path / "broken.yaml").write_text("a: [1,")
    with pytest.raises(ValueError, match="broken.yaml is not valid YAML"):
        read_study(tmp_path / "broken.yaml")


def test_names_of_folders():
    assert slug("TAE + auxiliary") == "TAE_auxiliary" and slug("+") == "_"


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks" / "studies").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_studies_of_the_results_can_be_planned(path):
    check_settings(read_study(path))
