import pytest

FROM_SCRATCH, TUNED = "nnUNetTrainerFromScratch", "nnUNetTrainerDAEPretrained"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"trainers": {"a": {"trainer": FROM_SCRATCH, "settings": "sed=1"}}}, "trainers: a.*no setting 'sed'.*'seed'"),
        ({"trainers": {"a": FROM_SCRATCH}, "fine_tuning": {"epochs": 1, "settings": "foo=1"}}, "no setting 'foo'"),
        ({"trainers": {"a": {"trainer": FROM_SCRATCH, "settings": "seed=NaN"}}}, "seed expects"),
        (
            {"trainers": {"a": TUNED}, "pretraining": {"epochs": 1, "settings": "nois=1"}},
            "pretraining of a.*no setting",
        ),
        (
            {"trainers": {"s": FROM_SCRATCH, "a": {"trainer": "nnUNetPretrainerDAE", "settings": "median=1"}}},
            "trainers: a: settings.*no setting 'median'.*median_mm",
        ),
        (
            {"trainers": {"s": FROM_SCRATCH, "a": {"trainer": "nnUNetPretrainerAE", "settings": "score=standardised"}}},
            "trainers: a: settings.*this model draws nothing.*nnUNetPretrainerVAE",
        ),
        (
            {
                "trainers": {"s": FROM_SCRATCH, "a": {"trainer": "nnUNetPretrainerDAE", "settings": "smoothing_mm=1"}},
                "pretraining": {"epochs": 1, "settings": "score=small-lesions"},
            },
            "trainers: a: settings: smoothing_mm has no effect with score=small-lesions",
        ),
        (
            {
                "trainers": {"a": "nnUNetTrainerTAEPretrained"},
                "pretraining": {"epochs": 1, "settings": "score=standardised"},
            },
            "pretraining of a: settings.*this model draws nothing",
        ),
    ],
)
def test_settings_that_a_job_would_refuse_are_refused_before_anything_is_written(workplace, changes, said):
    before = workplace.splits()
    with pytest.raises(ValueError, match=said):
        workplace.plan(budgets=[1], draws=1, **changes)
    assert workplace.splits() == before


def test_a_score_is_read_beside_what_the_pretraining_says_of_it(workplace):
    maps = {"trainer": "nnUNetPretrainerDAE", "settings": "draws=3"}
    pretraining = {"epochs": 1, "settings": "score=standardised"}
    layout = workplace.plan(budgets=[1], draws=1, trainers={"s": FROM_SCRATCH, "a": maps}, pretraining=pretraining)
    assert {cell.arm for cell in layout.map_cells.values()} == {"a"}


def test_settings_that_say_a_key_again_are_put_together(workplace):
    arms = {"scratch": "nnUNetTrainer", "a": {"trainer": TUNED, "settings": "warmup=0.2 seed=5"}}
    length = {"epochs": 1, "settings": "warmup=0.1"}
    layout = workplace.plan(budgets=[1], draws=1, trainers=arms, fine_tuning=length, mirroring=True)
    from nnunet_uad.study.running.commands import training_command

    cell = next(c for c in layout.cells.values() if c.arm == "a")
    assert training_command(layout, cell).environment["nnUNet_uad_settings"] == "warmup=0.2 seed=0"
