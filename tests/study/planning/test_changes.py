import pytest
import studies


def test_an_arm_with_results_keeps_its_meaning(workplace):
    layout = workplace.plan(budgets=[1], draws=1)
    other = {"trainer": "nnUNetTrainerDAEPretrained", "settings": "warmup=0.2"}
    changed = {"scratch": "nnUNetTrainer", "DAE": other}
    # Nothing is trained yet: it may still be anything.
    workplace.plan(budgets=[1], draws=1, trainers=changed)
    workplace.plan(budgets=[1], draws=1)
    studies.finish(layout)
    with pytest.raises(ValueError, match="DAE has results .* something else .settings: '', now 'warmup=0.2'"):
        workplace.plan(budgets=[1], draws=1, trainers=changed)
    with pytest.raises(ValueError, match="trainer: 'nnUNetTrainer_1epochs_2iters', now 'nnUNetTrainer_3epochs'"):
        workplace.plan(budgets=[1], draws=1, fine_tuning={"epochs": 3})
    with pytest.raises(ValueError, match="DAE.* has results from when it was something else .*sampling=healthy"):
        workplace.plan(budgets=[1], draws=1, pretraining={"epochs": 1, "iterations": 2, "settings": "sampling=healthy"})
    # Under another name, and with more budgets, it may.
    grown = workplace.plan(budgets=[1, 3], draws=1, trainers={**studies.SMALL["trainers"], "DAE, a": other})
    assert len(grown.cells) == 6 and grown.finished("test", "DAE/fold0_1_draw0")


def test_a_screen_means_what_its_arms_mean(workplace):
    trainers = {"a": "nnUNetTrainer", "map": "nnUNetPretrainerDAE", "both": {"screen": ["a", "map"]}}
    layout = workplace.plan(budgets=[1], draws=1, trainers=trainers)
    content = layout.plan["arms"]["both"]
    assert content["trainer"] == "nnUNetTrainer_1epochs_2iters + nnUNetPretrainerDAE" and content["settings"] == ""
    assert content["pretraining"] == layout.plan["arms"]["map"]["pretraining"] != []
    layout.cell_folder("both").mkdir(parents=True)
    # Nothing is trained of the map yet, but the screen has results that were made with it.
    other = {**trainers, "map": {"trainer": "nnUNetPretrainerDAE", "settings": "median_mm=5"}}
    with pytest.raises(ValueError, match=r"both has results from .*settings: '', now ' \+ median_mm=5'"):
        workplace.plan(budgets=[1], draws=1, trainers=other)
    # Under other names it is the same.
    named = {"b": "nnUNetTrainer", "m": "nnUNetPretrainerDAE", "both": {"screen": ["b", "m"]}}
    assert workplace.plan(budgets=[1], draws=1, trainers=named).plan["arms"]["both"] == content
