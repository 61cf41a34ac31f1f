import sys

import pytest
import studies

from nnunet_uad.choosing import jobs
from nnunet_uad.study.layout import Layout


def test_a_finished_study_is_not_run_again(workplace, monkeypatch):
    layout = workplace.plan(budgets=["all"], draws=1)
    studies.finish(layout)
    monkeypatch.setattr(jobs.subprocess, "Popen", None)
    assert jobs.run_study(workplace.folder / "study.yaml", 1, "rung 1").folder == layout.folder


def test_what_failed_is_told_with_its_log(workplace, monkeypatch):
    layout = workplace.plan(budgets=["all"], draws=1)
    log = layout.log("train", "scratch/fold0_all_draw0")
    log.parent.mkdir(parents=True)
    log.write_text("no space left\n")
    monkeypatch.setattr(jobs, "_run", lambda *a, **k: "it failed")
    with pytest.raises(RuntimeError, match=r"Not every job of .*study.yaml is finished(.|\n)*no space left"):
        jobs.run_study(workplace.folder / "study.yaml", 1, "rung 1")


def test_a_command_that_fails_leaves_its_last_words(tmp_path):
    command = [sys.executable, "-c", "import sys; print('what went wrong'); sys.exit(3)"]
    with pytest.raises(RuntimeError, match=r"failed:(.|\n)*what went wrong(.|\n)*log: .*a.log"):
        jobs._run(command, tmp_path / "a.log")
    assert "what went wrong" in jobs._run(command, tmp_path / "b.log", may_fail=True)
    assert jobs._run([sys.executable, "-c", ""], tmp_path / "c.log") == ""


def test_timed_steps_are_not_timed_again(workplace, monkeypatch):
    layout = workplace.plan(budgets=["all"], draws=1)
    layout.timing.write_text("{}")
    monkeypatch.setattr(jobs, "_run", None)
    found = jobs.plan_and_time(workplace.folder / "study.yaml")
    assert isinstance(found, Layout) and found.folder == layout.folder
