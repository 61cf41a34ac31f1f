"""A study as a user runs it: locally with a power cut in the middle, and through a cluster whose job is killed."""

import contextlib
import json
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import studies
import torch
import yaml
from reports import report, table

from nnunet_uad.cli.main import main
from nnunet_uad.common.slugs import slug
from nnunet_uad.study.layout import Layout

COMMAND = [str(Path(sys.executable).with_name("nnunet_uad")), "study", "run"]
THREADS = {stage: {"threads": 1, "mem_mb": 1000} for stage in ("preprocess", "pretrain", "train", "test", "map")}


def wait_for(condition, process):
    deadline = time.time() + 240
    while not condition():
        assert process.poll() is None, "the run ended too early"
        assert time.time() < deadline
        time.sleep(0.05)


@pytest.fixture
def awkward_workplace(tiny_dataset, tmp_path, monkeypatch):
    """In a folder whose name means something to shells, to YAML and to Snakemake."""
    return studies.make_workplace(tiny_dataset, tmp_path / "a {b} 'c' \"d\" %s: #é", monkeypatch)


@pytest.mark.thorough
def test_a_study_survives_a_power_cut(awkward_workplace, capsys):
    workplace, arm = awkward_workplace, "去噪 {自编码器}"
    trainers = {arm: "nnUNetTrainerDAEPretrained"}
    length = {"epochs": 10, "iterations": 2}
    path = workplace.write(trainers=trainers, budgets=["2s"], draws=1, fine_tuning=length, resources=THREADS)
    log = (workplace.folder / "run.log").open("w")
    run = subprocess.Popen([*COMMAND, str(path), "--cores", "2"], stdout=log, stderr=log)
    folder = workplace.folder / "study"
    models, cell = folder / "models" / slug(arm), f"{slug(arm)}/fold0_2s_draw0"
    # Not one that is being written, in a hidden folder.
    pattern = "*/*/fold_*/checkpoint_latest.pth"
    wait_for(lambda: list(models.glob(pattern)), run)
    (checkpoint,) = models.glob(pattern)
    everything = [psutil.Process(run.pid), *psutil.Process(run.pid).children(recursive=True)]
    for process in everything:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    run.wait()
    assert not checkpoint.with_name("checkpoint_final.pth").exists()
    latest = torch.load(checkpoint, weights_only=True)
    done = latest["current_epoch"]
    finished = {p: p.stat().st_mtime_ns for p in (folder / "pretrained").glob("*.json")}
    again = subprocess.run([*COMMAND, str(path), "--cores", "2"], capture_output=True, text=True)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "train: 1 of 1 finished" in again.stdout and "Report: nnunet_uad report" in again.stdout
    layout = Layout(folder)
    assert len(finished) == 1 and {p: p.stat().st_mtime_ns for p in finished} == finished
    log_text = layout.log("train", cell).read_text()
    assert log_text.count("$ nnUNet_raw") == 2 and log_text.count("--c\n") == 1
    final = torch.load(checkpoint.with_name("checkpoint_final.pth"), weights_only=True)
    assert 0 < done < 10 == final["current_epoch"] == len(final["logging"]["train_losses"])
    assert final["logging"]["train_losses"][:done] == latest["logging"]["train_losses"]
    training = json.loads(layout.trained(cell).read_text())
    assert training["reports"]["transfer"]["share"]["encoder"] == 1 and training["seconds"] > 0
    rows = json.loads(layout.scores(cell, layout.plan["dataset"]).read_text())["rows"]
    assert [r["case"] for r in rows] == layout.plan["folds"][0]["val"]
    # Nothing left to do: no job is started.
    once_more = subprocess.run([*COMMAND, str(path), "--cores", "2"], capture_output=True, text=True)
    assert once_more.returncode == 0 and "Nothing to be done" in once_more.stdout + once_more.stderr
    capsys.readouterr()
    assert main(["report", str(path), "-o", str(workplace.folder / "report")]) == 0
    assert f"{arm} reaches a mean Dice of" in (workplace.folder / "report" / "index.html").read_text()


SUBMIT = """#!{python}
# A cluster of one machine: start the job, print its number; the node of the first training dies under it.
import json, os, psutil, re, subprocess, sys, time
folder, script = {folder!r}, sys.argv[-1]
rule = json.loads(re.search(r"# properties = (.*)", open(script).read())[1])["rule"]
number = len(os.listdir(folder))
open(os.path.join(folder, str(number)), "w").write(rule)
if os.fork() == 0:
    os.setsid()
    out = open(os.path.join(folder, "..", f"job{{number}}.log"), "w")
    job = subprocess.Popen(["/bin/bash", script], stdout=out, stderr=out, stdin=subprocess.DEVNULL)
    os.close(1)
    killed = os.path.join(folder, "..", "killed")
    if rule == "train" and not os.path.exists(killed):
        open(killed, "w").close()
        job_and_children = lambda: [psutil.Process(job.pid), *psutil.Process(job.pid).children(recursive=True)]
        while not any("nnunet_uad.study.running.start" in p.cmdline() for p in job_and_children()):
            time.sleep(0.1)
        time.sleep(1)
        for process in job_and_children():
            process.kill()
    code = job.wait()
    state = "success" if code == 0 else "failed"
    os.rename(os.path.join(folder, str(number)), os.path.join(folder, f"{{number}}.{{state}}"))
    os._exit(0)
print(number)
"""
STATUS = """#!{python}
import os, sys
folder, number = {folder!r}, sys.argv[-1]
print(next(({{"success": "success", "failed": "failed"}}[p.split(".")[1]] for p in os.listdir(folder)
            if p.startswith(number + ".")), "running"))
"""


def test_a_study_on_a_cluster(workplace):
    """From raw data through Snakemake's generic cluster executor: two jobs at once, one is killed and tried again.

    nnU-Net's own trainer, an arm without labels and a screen, on a pool and test cases that the study names.
    """
    shutil.rmtree(workplace.source)
    jobs = workplace.folder / "jobs"
    jobs.mkdir()
    scripts = {}
    for name, text in {"submit": SUBMIT, "status": STATUS}.items():
        scripts[name] = workplace.folder / f"{name}.py"
        scripts[name].write_text(text.format(python=sys.executable, folder=str(jobs)))
        scripts[name].chmod(scripts[name].stat().st_mode | stat.S_IXUSR)
    profile = workplace.folder / "profile"
    profile.mkdir()
    content = {
        "executor": "cluster-generic",
        "cluster-generic-submit-cmd": str(scripts["submit"]),
        "cluster-generic-status-cmd": str(scripts["status"]),
        "jobs": 2,
        "latency-wait": 10,
        "max-status-checks-per-second": 5,
        "seconds-between-status-checks": 1,
    }
    (profile / "config.yaml").write_text(yaml.safe_dump(content))
    trainers = {"stock": "nnUNetTrainer", "map": "nnUNetPretrainerDAE", "both": {"screen": ["stock", "map"]}}
    named = {"folds": None, "pool": "lesion_[01]|healthy_.*", "test_cases": ["lesion_2", "lesion_3"]}
    small = {"base": "2d", "spacing": 2, "patch": [32, 32], "features": [8, 16, 16], "batch": 4}
    changes = {"budgets": [1], "draws": 1, "retries": 1, "resources": THREADS, "configuration": "2d_mini"}
    path = workplace.write(trainers=trainers, small_plan=small, **named, **changes)
    run = subprocess.run([*COMMAND, str(path), "--profile", str(profile)], capture_output=True, text=True)
    shown = run.stdout + run.stderr
    assert run.returncode == 0, shown
    assert "train: 1 of 1 finished" in run.stdout and "test: 2 of 2 finished" in run.stdout
    ended = [p.name.split(".") for p in jobs.iterdir()]
    assert sorted(state for _, state in ended) == ["failed", *["success"] * 6]
    assert "Trying to restart job" in shown
    folder, page = report(workplace, trainers=trainers, small_plan=small, **named, **changes)
    scores = {r["trainer"]: r for r in table(folder, "scores_Dataset991_Tiny")}
    assert list(scores) == ["stock", "both"] and scores["both"]["dice"] == scores["stock"]["dice"]
    rows = {r["map"]: r for r in table(folder, "label_free_Dataset991_Tiny")}
    assert {"map", "robust_z:FLAIR@2mm", "robust_z:T1"} <= set(rows) and rows["map"]["cases"] == "2"
    assert "no labels" in {cell for row in page.rows for cell in row}
    # No cell's validation cases were predicted twice, not even by nnU-Net's own trainer.
    models = workplace.folder / "study" / "models"
    assert not list(models.glob("s*/*/*/fold_*/validation")) and list(models.glob("pretrained/*/*/*/fold_*/validation"))


def test_the_profile_for_slurm_can_be_read(workplace):
    path = workplace.write(trainers={"stock": "nnUNetTrainer"}, budgets=[1], draws=1, device="cuda")
    assert main(["study", "plan", str(path)]) == 0
    run = subprocess.run([*COMMAND, str(path), "--profile", "slurm", "--dry-run"], capture_output=True, text=True)
    shown = run.stdout + run.stderr
    assert run.returncode == 0, shown
    assert "gpu=1" in shown and "runtime=1440" in shown and not (workplace.folder / "study" / "logs").exists()
