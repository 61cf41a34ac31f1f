import pytest

from nnunet_uad.common.schema import build
from nnunet_uad.study.arms import Arm, check_screens, screen_words
from nnunet_uad.study.study_file import Study

SCREENED = {
    "screen": {"screen": ["scratch", "DAE map"]},
    "scratch": "nnUNetTrainer",
    "DAE map": "nnUNetPretrainerDAE",
}


def study(**changes):
    content = {"dataset": 1, "configuration": "2d", "budgets": [1], "trainers": SCREENED}
    return build(Study, {**content, **changes})


def test_a_screen_is_made_of_two_arms_and_is_never_the_baseline():
    found = study()
    assert list(found.arms) == ["scratch", "screen"] and list(found.label_free) == ["DAE map"]
    screen = found.arms["screen"]
    assert found.baseline == "scratch" and screen.screen == ("scratch", "DAE map")
    assert not screen.learns and not screen.label_free and found.arms["scratch"].learns
    assert screen_words(*screen.screen).startswith("segmentations of scratch, voxels ranked with the map of DAE map")
    numbered = study(trainers={1: "nnUNetTrainer", 2: "nnUNetPretrainerDAE", "s": {"screen": [1, 2]}})
    assert numbered.arms["s"].screen == ("1", "2")


@pytest.mark.parametrize(
    ("screen", "message"),
    [
        (
            ["DAE map", "DAE map"],
            r"screen expects first an arm of this study that is trained with labels \(scratch\), found 'DAE map'",
        ),
        (
            ["scratch", "scratch"],
            r"second an arm of this study without labels, a pretrainer \(DAE map\), found 'scratch'",
        ),
        (["screen", "DAE map"], "first an arm of this study that is trained .*found 'screen'"),
        (["scrach", "DAE map"], "found 'scrach'. Did you mean 'scratch'"),
        (["scratch"], "trainers: screen: screen expects a list of 2 values, found"),
        (["scratch", "DAE map", "scratch"], "screen expects a list of 2 values"),
        ("scratch", "screen expects a list, found 'scratch'"),
        ([["scratch"], "DAE map"], "expects a word or text"),
    ],
)
def test_arms_of_the_wrong_kind_are_refused(screen, message):
    with pytest.raises(ValueError, match=message):
        study(trainers={**SCREENED, "screen": {"screen": screen}})


def test_what_a_screen_cannot_do_is_refused():
    with pytest.raises(ValueError, match="screen trains nothing and goes without trainer, settings"):
        study(trainers={**SCREENED, "screen": {"screen": ["scratch", "DAE map"], "trainer": "x", "settings": "y"}})
    with pytest.raises(ValueError, match="trainers: screen: lacks trainer: its name, or screen"):
        study(trainers={**SCREENED, "screen": {"settings": "y"}})
    with pytest.raises(ValueError, match="seconds: a screen has a test only, and no train"):
        study(trainers={**SCREENED, "screen": {"screen": ["scratch", "DAE map"], "seconds": {"train": 5}}})
    with pytest.raises(ValueError, match="budgets and trainers expect at least one entry each"):
        study(budgets=[])
    with pytest.raises(ValueError, match=r"second an arm of this study without labels.*\(there is none: add one"):
        check_screens({"a": Arm("nnUNetTrainer"), "s": Arm(screen=("a", "b"))})
