import json
import shutil

import pytest
import studies
import tiny
import torch
from weights_helpers import make_record

from nnunet_uad.choosing import run as running
from nnunet_uad.choosing.run import CHOICE, PAGE, Request, choose
from nnunet_uad.cli.main import main
from nnunet_uad.common.files import write_json
from nnunet_uad.study.layout import Layout
from nnunet_uad.study.study_file import output_folder, read_study
from nnunet_uad.weights.safe_file import write_pretrained

ARMS = ("DAE=nnUNetTrainerDAEPretrained", "bank=nnUNetTrainerLesionBank", "MAE=nnUNetTrainerMAEPretrained")


def planned(path):
    assert main(["study", "plan", str(path)]) == 0
    return Layout(output_folder(path, read_study(path)))


def plan_and_time(path, case=10.0):
    layout = planned(path)
    steps = dict.fromkeys(layout.arms, 0.2) | {p["trainer"]: 0.2 for p in layout.pretrainings.values()}
    train = dict.fromkeys(layout.arms, 20 + 0.2 * layout.study.fine_tuning.steps)
    pretrain = {p["trainer"]: 30 + 0.2 * layout.study.pretraining.steps for p in layout.pretrainings.values()}
    timing = {"pretrain": pretrain, "train": train, "case": dict.fromkeys(layout.arms, case), "step": steps}
    write_json(layout.timing, timing)
    return layout


@pytest.fixture
def race(workplace, monkeypatch):
    """A race whose jobs leave results without training."""
    gain = {"gain": 0.1, "ran": []}

    def run_study(path, cores, words):
        layout = planned(path)
        if not any(layout.finished(*job) for job in layout.jobs()):
            studies.finish(layout, gain["gain"])
            gain["ran"].append(path.stem)
        return layout

    monkeypatch.setattr(running, "plan_and_time", plan_and_time)
    monkeypatch.setattr(running, "run_study", run_study)
    return gain


def request(workplace, **changes):
    content = {"dataset": tiny.NUMBER, "configuration": "2d_tiny", "hours": 2.0, "device": "cpu", "arms": ARMS}
    return Request(**{**content, "output": workplace.folder / "choice", **changes})


def test_a_race_ends_in_one_sentence_and_the_commands(workplace, race):
    told = []
    choice = choose(request(workplace, hours=20.0), told.append)
    assert race["ran"] == ["rung_1", "rung_2", "rung_3"]
    used = choice["use"]
    assert used in ("DAE", "bank", "MAE") and choice["verdict"].startswith(f"use {used} (gain +0.")
    assert choice["decision"]["folds"] == 5 and choice["decision"]["arms"] == 3
    trainer = dict(text.split("=") for text in ARMS)[used]
    assert choice["commands"][-1] == f"nnUNetv2_train Dataset991_Tiny 2d_tiny all -tr {trainer} -device cpu"
    folder = workplace.folder / "choice"
    assert json.loads((folder / CHOICE).read_text())["verdict"] == choice["verdict"]
    assert f"| 3 | {used} |" in (folder / PAGE).read_text() and any(
        "; rung 3, 1 arm(s) and scratch, " in text for text in told
    )
    rungs = [read_study(folder / f"rung_{k}.yaml") for k in (1, 2, 3)]
    assert [len(r.trainers) for r in rungs] == [4, 3, 2] and list(rungs[2].trainers) == ["scratch", used]
    assert [r.fine_tuning.steps for r in rungs] == sorted(r.fine_tuning.steps for r in rungs)
    assert len({r.seed for r in rungs}) == 3 and rungs[2].draws == 2
    # Leave-one-out folds behind the dataset's own, which no other study tests on.
    assert [len(s["val"]) for s in workplace.splits()[2:7]] == [2, 2, 2, 1, 1]
    # The same again finds everything done; folds are not appended twice.
    before = len(workplace.splits())
    appended = json.loads((workplace.source / "nnunet_uad_appended_folds.json").read_text())
    assert appended == list(range(2, before))
    assert choose(request(workplace, hours=20.0), told.append)["verdict"] == choice["verdict"]
    assert race["ran"] == ["rung_1", "rung_2", "rung_3"] and len(workplace.splits()) == before
    assert sum(text.startswith(f"Going on with what is finished in {folder}") for text in told) == 1


def test_without_a_gain_it_is_from_scratch(workplace, race):
    race["gain"] = 0.0
    choice = choose(request(workplace, arms=ARMS[:1]), lambda text: None)
    assert choice["use"] is None and "train from scratch" in choice["verdict"]
    assert choice["commands"] == ["nnUNetv2_train Dataset991_Tiny 2d_tiny all -tr nnUNetTrainerFromScratch -device cpu"]
    assert choice["tried"]["arm"] == "DAE" and race["ran"] == ["rung_1"]


def test_another_race_in_the_same_folder_is_refused(workplace, race):
    choose(request(workplace, arms=ARMS[:1]), lambda text: None)
    with pytest.raises(ValueError, match=r"holds a choice that were made differently \(hours\)|\(hours\). Choose"):
        choose(request(workplace, arms=ARMS[:1], hours=3.0), lambda text: None)


def test_too_little_time_is_refused_before_anything_is_trained(workplace, race):
    with pytest.raises(ValueError, match=r"--hours: .* is too little for DAE alone, .* takes .* h here"):
        choose(request(workplace, hours=0.01), lambda text: None)
    assert race["ran"] == []
    choose(request(workplace, hours=2.0), lambda text: None)
    assert race["ran"]


def test_weights_that_saw_labelled_cases_are_refused_before_anything_runs(workplace, race, monkeypatch):
    monkeypatch.setattr("nnunet_uad.weights.suitability.check_suits", lambda *a: [])
    file = workplace.folder / "pretrained.safetensors"
    write_pretrained(file, {"encoder.weight": torch.ones(3)}, make_record(cases=(tiny.LESION[1], "elsewhere")))
    told = []
    with pytest.raises(ValueError, match=r"LEAKAGE: 1 labelled case\(s\) were among .*lesion_1\. Its gain on them"):
        choose(request(workplace, weights=(file,)), told.append)
    assert not (workplace.folder / "choice").exists() and not any("inner folds" in text for text in told)
    assert len(workplace.splits()) == 2


def test_data_that_are_not_preprocessed_get_the_commands_that_make_them(workplace, race):
    shutil.rmtree(workplace.source / "nnUNetPlans_2d_tiny")
    with pytest.raises(FileNotFoundError, match=r"nnUNetv2_preprocess -d 991 .*nnunet_uad preprocess -d 991 --like"):
        choose(request(workplace, dataset=tiny.DATASET), lambda text: None)


def test_arms_for_which_there_is_no_room_are_said(workplace, race):
    told = []
    choose(request(workplace, hours=0.6), told.append)
    assert any("No room within 0.6 h for" in text for text in told)
