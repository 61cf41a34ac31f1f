import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnunet_uad.choosing.rungs import (
    FINAL_DRAWS,
    LEAST,
    MOST,
    WANTED,
    Costs,
    Job,
    arms_of_rungs,
    inner_folds,
    longest,
    plan_race,
    race,
    race_seconds,
)

NAMES = ["bank", "DAE", "MAE", "Genesis"]


def costs(folds=3, jobs=1, shared=True):
    every = ["scratch", *NAMES]
    return Costs(
        baseline="scratch",
        train=dict.fromkeys(every, Job(20.0, 0.2)),
        test=dict.fromkeys(every, 20.0),
        pretrain=dict.fromkeys(["DAE", "MAE", "Genesis"], Job(30.0, 0.2)),
        needs={"bank": ["DAE"], "DAE": ["DAE"], "MAE": ["MAE"], "Genesis": ["Genesis"]},
        folds=folds,
        pretrainings=1 if shared else folds,
        jobs=jobs,
    )


@given(st.lists(st.text(min_size=1), min_size=2, max_size=20, unique=True))
def test_every_labelled_case_is_tested_once(cases):
    folds = inner_folds(cases)
    assert sorted(case for fold in folds for case in fold) == sorted(cases)
    assert len(folds) == min(len(cases), 5) and all(folds)


@given(st.integers(1, 30))
def test_arms_are_halved_down_to_one(arms):
    numbers = arms_of_rungs(arms)
    assert numbers[0] == arms and numbers[-1] == 1 and numbers == sorted(set(numbers), reverse=True)


def test_a_rung_takes_the_sum_of_its_jobs_and_shares_pretrainings():
    # Three folds of a training of 40 s with 20 s of tests, three arms; one pretraining of 30 + 300 * 0.2 s.
    assert costs().rung(["bank", "DAE"], 100, 1) == pytest.approx(3 * 3 * 60 + 90)
    assert costs(shared=False).rung(["bank", "DAE"], 100, 1) == pytest.approx(3 * 3 * 60 + 3 * 90)
    assert costs(jobs=100).rung(["bank"], 100, 1) == pytest.approx(90 + 60)
    assert costs().slower(2).rung(["bank"], 100, 2) == pytest.approx(2 * costs().rung(["bank"], 100, 2))


@given(st.floats(0.15, 50), st.integers(2, 5), st.integers(1, 4), st.booleans())
def test_what_is_planned_fits_and_a_longer_race_would_not(hours, folds, jobs, shared):
    known = costs(folds, jobs, shared)
    try:
        number, rungs = plan_race(known, NAMES, hours * 3600)
    except ValueError as error:
        assert "too little" in str(error)
        return
    last = rungs[-1]
    assert race_seconds(known, NAMES[:number], rungs) <= hours * 3600
    assert last.arms == 1 and last.steps >= LEAST and [r.arms for r in rungs] == arms_of_rungs(number)
    assert [r.steps for r in rungs] == sorted(r.steps for r in rungs)
    assert last.draws == FINAL_DRAWS or number == 1
    if last.steps < MOST:
        longer = race(number, last.steps + 1, last.draws)
        assert race_seconds(known, NAMES[:number], longer) > hours * 3600


def test_short_budgets_drop_the_last_arms_then_trainings():
    assert plan_race(costs(), NAMES, 10 * 3600)[0] == 4
    number, rungs = plan_race(costs(), NAMES, 3000)
    assert 1 <= number < 4 and rungs[-1].steps >= WANTED
    number, rungs = plan_race(costs(), NAMES, 600)
    assert (number, rungs[-1].draws) == (1, 1) and LEAST <= rungs[-1].steps < WANTED


def test_a_budget_in_which_nothing_fits_says_what_would():
    with pytest.raises(
        ValueError,
        match=r"--hours: .* 0.02 h, is too little for bank alone, .* 100 steps: .* 0.13 h here; all of 4",
    ):
        plan_race(costs(), NAMES, 100)
    assert plan_race(costs(), NAMES, 0.13 * 3600)[0] == 1
    with pytest.raises(ValueError, match=r"after timing, 0 h, is too little"):
        plan_race(costs(), NAMES, -50)


def test_rungs_that_are_left_go_on_where_the_race_was():
    # Of a race of three rungs the last two.
    whole = longest(costs(), NAMES[:4], 2, 7200)
    left = race(4, whole, 2)[1:]
    seconds = race_seconds(costs(), NAMES[:2], left)
    assert longest(costs(), NAMES[:2], 2, seconds, done=1) == pytest.approx(whole, abs=1)
