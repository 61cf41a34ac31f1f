import json

import pytest
import studies
from hypothesis import given
from hypothesis import strategies as st

from nnunet_uad.cli.main import main
from nnunet_uad.common.files import write_json
from nnunet_uad.common.schema import build
from nnunet_uad.study.layout import Layout
from nnunet_uad.study.planning.hours import Estimates, Hours, asked_of, decide_cut, estimated_hours
from nnunet_uad.study.study_file import Study, read_study

ARMS = {"scratch": "nnUNetTrainer", "DAE": "nnUNetTrainerDAEPretrained", "map": "nnUNetPretrainerDAE"}
#: An hour for a training with its tests, half an hour for a pretraining or the maps.
SECONDS = {"pretrain": 1785, "train": 3000, "test": 585, "map": 1800}


def one_hour_each(arms="abc"):
    cell = {arm: {"1": 1.0} for arm in arms}
    return Hours({a: ["p"] if a != "a" else [] for a in arms}, {"p": 2.0}, {}, cell)


@pytest.mark.parametrize(
    ("limit", "draws", "left_out"), [(11, 3, []), (10.9, 2, []), (5, 1, []), (4.9, 1, ["c"]), (3.9, 3, ["b", "c"])]
)
def test_draws_are_cut_before_arms_and_the_last_arm_goes_first(workplace, limit, draws, left_out):
    trainers = dict.fromkeys("abc", "nnUNetTrainer")
    study = read_study(workplace.write(trainers=trainers, draws=3, budget_hours=limit))
    cut = decide_cut(study, one_hour_each(), ["finished jobs"])
    assert (cut["draws"], cut["arms"], cut["all_hours"]) == (draws, left_out, 11)
    assert cut["hours"] <= limit


def test_too_few_hours_are_refused(workplace):
    study = read_study(workplace.write(trainers={"a": "nnUNetTrainer"}, draws=3, budget_hours=0.5))
    with pytest.raises(
        ValueError, match="budget_hours: 0.5 h are too few for a alone with a single draw, .* about 1 h"
    ):
        decide_cut(study, one_hour_each("a"), [])


@given(st.floats(1, 40), st.integers(1, 6))
def test_what_is_kept_fits(limit, draws):
    hours = one_hour_each()
    content = {"dataset": 1, "configuration": "2d", "budgets": [1], "draws": draws, "budget_hours": limit}
    study = build(Study, {**content, "trainers": dict.fromkeys("abc", "nnUNetTrainer")})
    cut = decide_cut(study, hours, [])
    kept = [arm for arm in "abc" if arm not in cut["arms"]]
    assert hours.of(kept, cut["draws"]) <= limit and kept[0] == "a" and 1 <= cut["draws"] <= draws


@pytest.mark.parametrize(("limit", "left_out"), [(3.1, []), (3.0, ["s"]), (1.5, ["s", "m"])])
def test_a_screen_goes_with_an_arm_that_it_is_made_of(workplace, limit, left_out):
    trainers = {"s": {"screen": ["a", "m"]}, "a": "nnUNetTrainer", "m": "nnUNetPretrainerDAE"}
    study = read_study(workplace.write(trainers=trainers, draws=1, budget_hours=limit))
    hours = Hours({"a": [], "m": ["p"], "s": []}, {"p": 1.0}, {"m": 1.0}, {"a": {"1": 1.0}, "s": {"1": 0.1}})
    cut = decide_cut(study, hours, [])
    assert cut["arms"] == left_out and cut["hours"] <= limit
    assert study.reduced(1, cut["arms"]).baseline == "a"


def test_a_screen_takes_as_long_as_another_test(workplace):
    trainers = {"a": "nnUNetTrainer", "m": "nnUNetPretrainerDAE", "s": {"screen": ["a", "m"]}}
    changes = {"trainers": trainers, "budgets": [1], "draws": 1, "seconds": SECONDS, "budget_hours": 9}
    layout = workplace.plan(**changes)
    hours = estimated_hours(Estimates(layout, layout.study))
    assert hours.cell["s"]["1"] == pytest.approx(SECONDS["test"] / 3600)
    assert hours.cell["a"]["1"] == pytest.approx((SECONDS["train"] + 15 + SECONDS["test"]) / 3600)
    # What earlier versions cut stays cut: their files know no screens.
    asked = asked_of(layout.study)
    assert "screen" not in asked["trainers"]["a"] and asked["trainers"]["s"]["screen"] == ["a", "m"]


def test_the_plan_says_what_fits_and_a_larger_budget_adds_what_was_cut(workplace, capsys):
    changes = {"trainers": ARMS, "budgets": [1, 3], "draws": 3, "seconds": SECONDS}
    path = workplace.write(**changes, budget_hours=9.1)
    assert main(["study", "plan", str(path)]) == 0
    shown = capsys.readouterr().out
    # Two arms, two budgets, three draws of an hour, half an hour each for the pretraining and the maps.
    assert "To fit into 9.1 h of computing (all would take about 13 h), 2 of 3 draws are made" in shown
    assert "Estimated from the study's file" in shown and "2 of 3 draws" in shown
    layout = Layout(workplace.folder / "study")
    assert len(layout.cells) == 8 and layout.plan["cut"]["draws"] == 2
    assert {f["id"] for f in layout.plan["dropped"]["folds"]} == {"fold0_1_draw2", "fold0_3_draw2"}
    index = {f["id"]: f["index"] for f in (*layout.plan["folds"], *layout.plan["dropped"]["folds"])}
    # Finished jobs are known better than stated ones; while the same is asked for, nothing more is cut or added.
    studies.finish(layout)
    assert main(["study", "plan", str(path)]) == 0
    assert "budget_hours: To fit into" in capsys.readouterr().out
    assert len(Layout(layout.folder).cells) == 8
    assert main(["study", "plan", str(workplace.write(**changes, budget_hours=20))]) == 0
    shown = capsys.readouterr().out
    assert "All that was asked for fits into 20 h" in shown and "finished jobs, the study's file" in shown
    whole = Layout(layout.folder)
    assert len(whole.cells) == 12 and {f["id"]: f["index"] for f in whole.plan["folds"]} == index
    assert whole.finished("test", "DAE/fold0_3_draw1") and not whole.finished("test", "DAE/fold0_3_draw2")
    path = workplace.write(**changes, budget_hours=0.3)
    assert main(["study", "plan", str(path)]) == 0
    assert "1 of 3 draws are made and map is left out" in capsys.readouterr().out
    cut = Layout(layout.folder)
    assert list(cut.study.trainers) == ["scratch", "DAE"] and len(cut.cells) == 4 and not cut.map_cells
    assert main(["report", str(path), "-o", str(workplace.folder / "report")]) == 0
    page = (workplace.folder / "report" / "index.html").read_text()
    assert "1 of 3 draws are made and map is left out; that takes about" in page


def test_timed_steps_are_used_where_nothing_else_is_known(workplace, capsys):
    changes = {"trainers": ARMS, "budgets": [1], "draws": 1, "budget_hours": 1}
    path = workplace.write(**changes)
    assert main(["study", "plan", str(path)]) == 0
    assert (
        "nobody knows yet how long these take: map of map, pretrain of nnUNetPretrainerDAE_1epochs_2iters, test of"
        in (capsys.readouterr().out)
    )
    layout = Layout(workplace.folder / "study")
    assert len(layout.cells) == 2 and layout.plan["cut"] is None
    timing = {
        "pretrain": {"nnUNetPretrainerDAE_1epochs_2iters": 345},
        "train": {"scratch": 100, "DAE": 200},
        "case": {"scratch": 1, "DAE": 2, "map": 3},
    }
    write_json(layout.timing, timing)
    estimates = Estimates(layout, layout.study)
    hours = estimated_hours(estimates)
    assert not estimates.unknown and estimates.origins == {"timed steps"}
    assert hours.cell["DAE"]["1"] == pytest.approx((200 + 15 + 15 + 2 * 2) / 3600)
    assert hours.pretrain == {"DAE_1epochs_2iters__fold0": pytest.approx(0.1)}
    layout.timing.write_text(json.dumps({**timing, "train": {"scratch": -1}}))
    with pytest.raises(ValueError, match="timing.json.*train.*found -1.*Delete it"):
        estimated_hours(Estimates(layout, layout.study))
