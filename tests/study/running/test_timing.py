import json

import pytest
import tiny

from nnunet_uad.study.running.timing import ShortLayout, time_steps

TRAINERS = {"DAE": "nnUNetTrainerDAEPretrained", "map": "nnUNetPretrainerDAE"}


def train_here(monkeypatch):
    """Runs the command's training in this process."""

    def run(command):
        dataset, configuration, fold, _, trainer = command.words[1:6]
        for name, value in command.environment.items():
            monkeypatch.setenv(name, value)
        number = dataset[len("Dataset") :].split("_")[0]
        assert tiny.run_training(trainer, configuration, int(fold), number=number) == command.folder

    return run


@pytest.mark.slow
def test_steps_and_cases_are_timed_by_the_studys_own_commands(workplace, monkeypatch):
    length = {"epochs": 100, "iterations": 50}
    layout = workplace.plan(trainers=TRAINERS, budgets=[1], draws=2, fine_tuning=length, pretraining=length)
    before = {p: p.read_bytes() for p in layout.folder.rglob("*") if p.is_file()}
    time_steps(layout, train_here(monkeypatch))
    timing = json.loads(layout.timing.read_text())
    assert {kind: set(entries) for kind, entries in timing.items()} == {
        "pretrain": {"nnUNetPretrainerDAE_100epochs_50iters"},
        "train": {"DAE"},
        "case": {"DAE", "map"},
        "step": {"nnUNetPretrainerDAE_100epochs_50iters", "DAE"},
    }
    # A thousand times the steps that were made: far longer than what was waited for.
    assert timing["train"]["DAE"] > 20 and all(v > 0 for entries in timing.values() for v in entries.values())
    assert {p: p.read_bytes() for p in layout.folder.rglob("*") if p.is_file() and p != layout.timing} == before


def test_short_trainings_change_nothing_of_the_study(workplace):
    layout = workplace.plan(trainers=TRAINERS, budgets=[1], draws=1)
    short = ShortLayout(layout)
    assert short.study.fine_tuning.suffix == "_2epochs_5iters" and layout.study.fine_tuning.suffix == "_1epochs_2iters"
    (entry,), (own,) = short.pretrainings.values(), layout.pretrainings.values()
    assert entry["trainer"] == "nnUNetPretrainerDAE_2epochs_5iters" and own["trainer"].endswith("_1epochs_2iters")
    assert short.folder == layout.folder / "timing" and list(short.cells) == list(layout.cells)
