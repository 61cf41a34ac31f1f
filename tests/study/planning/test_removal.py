import pytest

from nnunet_uad.cli.main import main
from nnunet_uad.study.planning.removal import remove_plan


def test_a_plan_is_taken_back(workplace, capsys):
    before = workplace.splits()
    layout = workplace.plan()
    slices = workplace.preprocessed / layout.plan["slice_dataset"]
    assert len(workplace.splits()) > len(before) and slices.is_dir()
    assert main(["study", "remove", str(workplace.folder / "study.yaml")]) == 0
    assert workplace.splits() == before and not slices.exists() and not layout.planned
    assert "fold(s) removed" in capsys.readouterr().out
    # And may be made again, with the same numbers.
    assert workplace.plan().plan["folds"] == layout.plan["folds"]


def test_a_pool_of_its_own_is_taken_back_and_an_interrupted_removal_is_finished(workplace):
    before = workplace.splits()
    named = {"folds": None, "pool": "lesion_[01]|healthy_.*", "test_cases": ["lesion_2", "lesion_3"]}
    layout = workplace.plan(budgets=[1], draws=1, **named)
    plan = layout.plan
    planned = (layout.folder / "study.json").read_bytes()
    remove_plan(layout, workplace.preprocessed, say=lambda told: None)
    (layout.folder / "study.json").write_bytes(planned)
    remove_plan(layout, workplace.preprocessed, say=lambda told: None)
    assert workplace.splits() == before and plan["entries"] and not layout.planned


def test_folds_of_others_behind_them_stop_it(workplace):
    first = workplace.plan("first", budgets=[1], draws=1)
    second = workplace.plan("second", budgets=[2], draws=1)
    there = workplace.splits()
    with pytest.raises(ValueError, match=r"fold\(s\) \d+ were appended behind those of this study"):
        remove_plan(first, workplace.preprocessed, say=lambda told: None)
    assert workplace.splits() == there and first.planned
    remove_plan(second, workplace.preprocessed, say=lambda told: None)
    remove_plan(first, workplace.preprocessed, say=lambda told: None)


def test_a_study_that_is_not_planned_has_nothing_to_remove(workplace, capsys):
    assert main(["study", "remove", str(workplace.write())]) == 1
    assert "nothing to remove" in capsys.readouterr().err
