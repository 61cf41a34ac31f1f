import pytest
import studies

from nnunet_uad.choosing.measured import costs, outcome
from nnunet_uad.common.files import write_json

TRAINERS = {"scratch": "nnUNetTrainerFromScratch", "DAE": "nnUNetTrainerDAEPretrained"}
CHANGES = {"trainers": TRAINERS, "budgets": ["all"], "draws": 2, "folds": [0, 1]}


def test_gains_are_means_over_cases_and_draws_per_fold(workplace):
    layout = workplace.plan(**CHANGES)
    studies.finish(layout, gain=0.1)
    found = outcome(layout)
    assert set(found.gains) == {"DAE"} and set(found.gains["DAE"]) == {"0", "1"}
    assert found.mean("DAE") == pytest.approx(0.1, abs=0.03) and set(found.scores) == {"scratch", "DAE"}
    # A minute per job of eight trainings, eight tests, two pretrainings, and their starts.
    assert found.seconds == pytest.approx(18 * 60 + 18 * 15)


def test_durations_follow_from_what_was_timed(workplace):
    layout = workplace.plan(**CHANGES)
    pretrainer = "nnUNetPretrainerDAE_1epochs_2iters"
    timing = {
        "pretrain": {pretrainer: 31.0},
        "train": {"scratch": 21.0, "DAE": 25.0},
        "case": {"scratch": 4.0, "DAE": 5.0},
        "step": {pretrainer: 0.5, "scratch": 0.5, "DAE": 0.5},
    }
    write_json(layout.timing, timing)
    found = costs(layout, jobs=2)
    assert (found.train["scratch"].start, found.train["scratch"].step) == (20 + 15, 0.5)
    assert found.pretrain[pretrainer].start == 30 + 15 and found.needs["DAE"] == [pretrainer]
    # Two cases in either fold.
    assert found.test["DAE"] == 15 + 2 * 5 and found.folds == 2 and found.pretrainings == 2 and found.jobs == 2
