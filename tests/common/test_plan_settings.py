from dataclasses import dataclass

import pytest

from nnunet_uad import __version__
from nnunet_uad.common.plan_settings import (
    carried_settings,
    check_carried,
    choose_settings,
    differences,
    other_version,
    plans_variant,
    trainers_with,
)


@dataclass(frozen=True)
class Noisy:
    rate: float = 0.1
    noise: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self):
        if self.rate <= 0:
            raise ValueError(f"rate expects > 0, found {self.rate}.")


@dataclass(frozen=True)
class Tuned:
    rate: float = 0.3
    head: float = 1.0


CLASSES = {"nnUNetPretrainerNoisy": Noisy, "nnUNetTrainerTuned": Tuned}
PLANS = {"plans_name": "nnUNetPlans", "dataset_name": "Dataset001_A", "configurations": {"2d": {"batch_size": 2}}}


def variant(trainer=None, plans=PLANS, name="nnUNetPlans_strong", **given):
    return plans_variant(plans, name, given, CLASSES, trainer)


def test_without_any_the_defaults_hold(monkeypatch):
    monkeypatch.delenv("nnUNet_uad_settings", raising=False)
    chosen = choose_settings(Noisy, "nnUNetPretrainerNoisy", PLANS)
    assert chosen.settings == Noisy() and chosen.origins == {} and chosen.source == "nnUNet_uad_settings"


def test_the_variable_wins_over_the_plans_and_the_plans_over_the_defaults(monkeypatch):
    plans = variant(rate=1, noise=[2, 4])
    monkeypatch.setenv("nnUNet_uad_settings", "rate=2")
    chosen = choose_settings(Noisy, "nnUNetPretrainerNoisy_5epochs", plans)
    assert chosen.settings == Noisy(2.0, (2.0, 4.0))
    assert chosen.origins == {"rate": "nnUNet_uad_settings", "noise": "plans nnUNetPlans_strong"}
    assert chosen.source == "nnUNet_uad_settings, plans nnUNetPlans_strong"


def test_trainers_pass_over_what_is_for_others(monkeypatch):
    monkeypatch.delenv("nnUNet_uad_settings", raising=False)
    plans = variant(noise=[2, 4], rate=0.5)
    assert choose_settings(Tuned, "nnUNetTrainerTuned", plans).settings == Tuned(rate=0.5)


def test_settings_of_one_trainer_win_and_are_not_those_of_others(monkeypatch):
    monkeypatch.delenv("nnUNet_uad_settings", raising=False)
    plans = variant("nnUNetTrainerTuned_3epochs", plans=variant(rate=0.5), rate=0.7)
    assert carried_settings(plans) == {"rate": 0.5, "nnUNetTrainerTuned": {"rate": 0.7}}
    assert choose_settings(Tuned, "nnUNetTrainerTuned_9epochs", plans).settings.rate == 0.7
    assert choose_settings(Noisy, "nnUNetPretrainerNoisy", plans).settings.rate == 0.5


def test_the_copy_differs_in_name_and_settings_only():
    made = variant(rate=1)
    assert made == {
        **PLANS,
        "plans_name": "nnUNetPlans_strong",
        "nnunet_uad": {"settings": {"rate": 1}, "version": __version__},
    }
    assert "nnunet_uad" not in PLANS


@pytest.mark.parametrize(
    ("trainer", "given", "message"),
    [
        (None, {"rte": 1}, "No trainer has a setting 'rte'. Did you mean 'rate'.*--list"),
        (None, {"noise": [1]}, r"nnUNetPretrainerNoisy: noise expects a value like \[0.0,1.0\], found \[1\]"),
        (None, {"rate": -1}, "nnUNetPretrainerNoisy: rate expects > 0, found -1"),
        ("nnUNetTrainerTuned", {"noise": [1, 2]}, "nnUNetTrainerTuned: Tuned has no setting 'noise'. .*It has: rate"),
        ("nnUNetTrainerTund", {"rate": 1}, "no trainer 'nnUNetTrainerTund'. Did you mean 'nnUNetTrainerTuned'"),
        ("foo", {"rate": 1}, "There is no trainer 'foo'"),
        ("nnUNetTrainer", {"rate": 1}, "nnU-Net's own nnUNetTrainer has no settings; nnUNetTrainerFromScratch"),
        (None, {"nnUNetTrainerTuned": 3}, "nnUNetTrainerTuned is a trainer, not a.*-tr nnUNetTrainerTuned KEY=VALUE"),
        (None, {}, "Say which settings"),
        ("nnUNetTrainerTuned", {}, "Say which settings"),
    ],
)
def test_what_no_trainer_takes_is_refused(trainer, given, message):
    with pytest.raises(ValueError, match=message.replace("?", ".")):
        variant(trainer, **given)


@pytest.mark.parametrize("name", ["", "a__b", "a/b", "nnUNetPlans.json"])
def test_names_that_folders_cannot_carry_are_refused(name):
    with pytest.raises(ValueError, match="--name expects a name for plans"):
        variant(name=name, rate=1)


def test_settings_of_another_release_are_refused_with_the_command(monkeypatch):
    monkeypatch.delenv("nnUNet_uad_settings", raising=False)
    major, minor, *_ = __version__.split(".")
    patched, older = f"{major}.{minor}.99", f"{major}.{int(minor) + 1}.0"
    plans = variant(rate=1)
    plans["nnunet_uad"]["version"] = patched
    assert choose_settings(Noisy, "nnUNetPretrainerNoisy", plans).settings.rate == 1
    for version, words in ((older, f"of nnunet_uad {older}"), (None, "of an unknown version")):
        plans["nnunet_uad"]["version"] = version
        command = "nnunet_uad settings -d Dataset001_A -p nnUNetPlans_strong --name nnUNetPlans_strong --overwrite"
        with pytest.raises(ValueError, match=f"carry settings {words}, .*{command}; .*-p ORIGINAL_PLANS"):
            choose_settings(Noisy, "nnUNetPretrainerNoisy", plans)
    # The command: what is carried is checked and written again.
    again = variant(plans=plans)
    assert choose_settings(Noisy, "nnUNetPretrainerNoisy", again).settings.rate == 1
    assert differences(plans, again) == [] and other_version(again) == ""
    assert other_version(plans) == f"an unknown version, this is {__version__}"


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (5, 'found 5 for "nnunet_uad"'),
        ({"settings": ["rate"]}, r'found \["rate"\] for "settings"'),
        ({"settings": {"nnUNetTrainerTuned": 5}}, "found 5 for 'nnUNetTrainerTuned'"),
    ],
)
def test_a_broken_block_is_refused_by_name(block, words):
    plans = {**PLANS, "nnunet_uad": block}
    for read in (carried_settings, lambda p: choose_settings(Tuned, "nnUNetTrainerTuned", p)):
        with pytest.raises(ValueError, match=f"plans nnUNetPlans are broken.*{words}.*nnunet_uad settings -d"):
            read(plans)


def test_a_restorer_alone_is_no_settings(monkeypatch):
    """The plans.json of a model with residual channels."""
    monkeypatch.delenv("nnUNet_uad_settings", raising=False)
    plans = {**PLANS, "nnunet_uad": {"restorer": {"kind": "dae"}}}
    assert choose_settings(Noisy, "nnUNetPretrainerNoisy", plans).settings == Noisy()


def test_differences_name_every_setting():
    old = variant("nnUNetTrainerTuned", plans=variant(rate=1), rate=2)
    new = variant("nnUNetTrainerTuned", plans=variant(noise=[2, 4]), rate=3)
    assert differences(old, new) == [
        "rate: 1 would become default",
        "rate of nnUNetTrainerTuned: 2 would become 3",
        "noise: default would become [2,4]",
    ]
    assert differences(old, old) == []
    assert differences(old, {**old, "configurations": {}}) == ["another configurations than the plans to copy"]


def test_who_takes_a_setting():
    assert trainers_with("rate", CLASSES) == list(CLASSES) and trainers_with("head", CLASSES) == ["nnUNetTrainerTuned"]
    check_carried({"rate": 1, "nnUNetTrainerTuned": {"head": 2}}, CLASSES)
