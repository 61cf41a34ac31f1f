import json
import multiprocessing
import shutil
import time

import pytest
import studies
import tiny
import torch
from safetensors.torch import save_file
from weights_helpers import Malicious

from nnunet_uad.study.layout import Layout
from nnunet_uad.study.running import job
from nnunet_uad.study.running.commands import Command, pretrained_file, training_command
from nnunet_uad.study.running.job import _only_one, _refuse_leakage, _train_and_validate, run_job
from nnunet_uad.training.cases import TrainedCases


def test_finished_work_is_not_repeated(workplace):
    layout = workplace.plan(budgets=[1], draws=1)
    studies.finish(layout)
    before = {p: p.stat().st_mtime_ns for p in (layout.folder / "cells").rglob("*") if p.is_file()}
    for stage, identifier in layout.jobs():
        run_job(layout, stage, identifier)
        assert (layout.folder / layout.marker(stage, identifier)).is_file()
    assert {p: p.stat().st_mtime_ns for p in before} == before


def test_weights_that_have_seen_test_cases_stop_the_cell(workplace, dae_fold):
    layout = workplace.plan(budgets=[1], draws=1)
    cell = layout.cells["DAE/fold0_1_draw0"]
    (identifier,) = layout.needed(cell).values()
    target = pretrained_file(layout, identifier)
    target.parent.mkdir(parents=True)
    shutil.copy(dae_fold / "pretrained.safetensors", target)
    _refuse_leakage(layout, cell)  # fold 0 of the pretraining leaves the same cases out
    cell.fold["val"].append(tiny.HEALTHY[0])
    with pytest.raises(RuntimeError, match=f"LEAKAGE: 1 test .* among the training cases of .*: {tiny.HEALTHY[0]}"):
        _refuse_leakage(layout, cell)
    cell.fold["val"].remove(tiny.HEALTHY[0])
    layout.plan["tests"].append({"dataset": "D", "labels": {tiny.LESION[0]: "x"}})
    with pytest.raises(RuntimeError, match=tiny.LESION[0]):
        _refuse_leakage(layout, cell)


def test_given_weights_that_have_seen_test_cases_stop_the_cell(workplace, dae_fold, tmp_path, capsys):
    arm = {"trainer": "nnUNetTrainerDAEPretrained", "weights": str(dae_fold / "pretrained.safetensors")}
    layout = workplace.plan(budgets=[1], draws=1, trainers={"scratch": "nnUNetTrainer", "given": arm})
    cell = layout.cells["given/fold0_1_draw0"]
    _refuse_leakage(layout, cell)
    cell.fold["val"].append(tiny.HEALTHY[0])
    with pytest.raises(RuntimeError, match=f"LEAKAGE: 1 test .* among the training cases of .*: {tiny.HEALTHY[0]}"):
        _refuse_leakage(layout, cell)
    # Of a file without a record nobody knows.
    save_file({"a.weight": torch.ones(1, 1, 3, 3)}, tmp_path / "others.safetensors")
    arm["weights"] = str(tmp_path / "others.safetensors")
    others = workplace.plan("others", budgets=[1], draws=1, trainers={"scratch": "nnUNetTrainer", "given": arm})
    _refuse_leakage(others, others.cells["given/fold0_1_draw0"])
    assert "LEAKAGE? It is not known which cases" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["final", "latest", "best"])
def test_a_checkpoint_with_code_stops_the_job_before_nnunet_reads_it(tmp_path, name):
    """An arm may be a trainer of nnU-Net's own, which unpickles whatever it continues."""
    path = tmp_path / f"checkpoint_{name}.pth"
    torch.save({"network_weights": {"a": torch.ones(1)}, "x": Malicious(tmp_path / "ran")}, path)
    with pytest.raises(ValueError, match=f"checkpoint_{name}.pth is a pickle that would have to run code"):
        _train_and_validate(Command(("nnUNetv2_train",), {}, tmp_path))
    assert not (tmp_path / "ran").exists()


def test_a_cell_that_was_trained_on_other_cases_is_not_tested(workplace):
    layout = workplace.plan(budgets=[1], draws=1)
    cell = layout.cells["DAE/fold0_1_draw0"]
    folder = training_command(layout, cell).folder
    folder.mkdir(parents=True)
    TrainedCases.of(tiny.DATASET, "2", (cell.fold["val"], cell.fold["val"]), {}).write(folder)
    with pytest.raises(RuntimeError, match="was trained on lesion_2, lesion_3; the study planned"):
        run_job(layout, "test", cell.identifier)


def test_hours_do_not_run_backwards_with_the_clock(workplace, monkeypatch):
    layout = workplace.plan(budgets=[1], draws=1, trainers={"scratch": "nnUNetTrainer"})
    monkeypatch.setattr(job, "_run", lambda command: None)
    now = iter([1e9, 0.0, 0.0, 0.0])
    monkeypatch.setattr(time, "time", lambda: next(now, 0.0))
    run_job(layout, "train", "scratch/fold0_1_draw0")
    assert json.loads(layout.trained("scratch/fold0_1_draw0").read_text())["seconds"] >= 0


def hold(folder, seconds, started):
    with _only_one(Layout(folder), "train", "a/b"):
        started.set()
        time.sleep(seconds)


def test_a_second_job_of_the_same_name_waits(tmp_path):
    context = multiprocessing.get_context("fork")
    started = context.Event()
    first = context.Process(target=hold, args=(tmp_path, 1.0, started))
    first.start()
    started.wait(30)
    with _only_one(Layout(tmp_path), "test", "a/b"):
        pass  # another stage is another job
    assert first.is_alive()
    with _only_one(Layout(tmp_path), "train", "a/b"):
        first.join(5)
        assert not first.is_alive() or first.exitcode is None


def test_a_killed_job_frees_its_lock(tmp_path):
    context = multiprocessing.get_context("fork")
    started = context.Event()
    first = context.Process(target=hold, args=(tmp_path, 60.0, started))
    first.start()
    started.wait(30)
    first.kill()
    with _only_one(Layout(tmp_path), "train", "a/b"):
        pass


@pytest.mark.slow
def test_a_failed_command_says_which(workplace, capfd):
    layout = workplace.plan(budgets=[1], draws=1)
    (workplace.source / "nnUNetPlans.json").unlink()
    with pytest.raises(RuntimeError, match="nnUNetv2_train failed with exit status 1"):
        run_job(Layout(layout.folder), "train", "scratch/fold0_1_draw0")
    assert "$ nnUNet_raw=" in capfd.readouterr().out
    assert not (layout.folder / "done").exists()
