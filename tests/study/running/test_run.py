import pytest
import studies

from nnunet_uad.study.layout import Layout
from nnunet_uad.study.running import run


def test_profiles_of_ours_and_of_others(workplace):
    layout = workplace.plan(budgets=[1], draws=1)
    local = run.snakemake_command(layout, 2, None, False)
    assert local[-2:] == ["--cores", "2"] and "--keep-going" in local and "--rerun-incomplete" in local
    assert run.snakemake_command(layout, None, None, True)[-3:] == ["--cores", "all", "--dry-run"]
    for name in ("slurm", "lsf", "kubernetes"):
        command = run.snakemake_command(layout, None, name, False, ["--retries", "2"])
        assert command[-4:] == ["--profile", str(run.PROFILES / name), "--retries", "2"]
    assert run.snakemake_command(layout, None, "mine", False)[-2:] == ["--profile", "mine"]


def test_profiles_that_are_not_there_are_refused_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    run.check_profile(None)
    run.check_profile(str(tmp_path))
    with pytest.raises(ValueError, match=r"no profile 'slrm'\. Ours are kubernetes, lsf, slurm"):
        run.check_profile("slrm")
    (tmp_path / "snakemake" / "slrm").mkdir(parents=True)
    run.check_profile("slrm")
    monkeypatch.setattr(run.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match="pip install snakemake-executor-plugin-lsf"):
        run.check_profile("lsf")


def test_our_profiles_are_called_as_their_executors():
    for folder in run.PROFILES.iterdir():
        assert f"executor: {folder.name}\n" in (folder / "config.yaml").read_text()


def test_one_run_at_a_time(tmp_path):
    layout = Layout(tmp_path)
    with run.only_run(layout), pytest.raises(RuntimeError, match="being run already"), run.only_run(layout):
        pass
    with run.only_run(layout):
        pass


def test_without_snakemake_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(run, "_PYTHON", (3, 10))
    monkeypatch.setattr(run.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match=r"pip install 'nnunet_uad\[study\]'"):
        run.check_snakemake()


def test_a_python_that_snakemake_does_not_know_is_told(monkeypatch):
    monkeypatch.setattr(run, "_PYTHON", (99, 0))
    with pytest.raises(RuntimeError, match=r"needs Python 99\.0 or newer; this one is 3\."):
        run.check_snakemake()


def test_what_failed_is_listed_with_its_log(workplace):
    layout = workplace.plan(budgets=[1], draws=1)
    studies.finish(layout, leave=("DAE/fold0_1_draw0",))
    log = layout.log("train", "DAE/fold0_1_draw0")
    log.parent.mkdir(parents=True)
    log.write_text("one\ntwo\n\nthree\nit was the memory\n")
    text, complete = run.summary(layout)
    assert not complete
    assert "train: 1 of 2 finished" in text and "pretrain: 1 of 1 finished" in text
    assert (
        "not finished: train DAE/fold0_1_draw0\n    two\n    three\n    it was the memory" in text and str(log) in text
    )
    # Its test was never started: it waits, it did not fail.
    assert "not finished: test" not in text


def test_markers_without_results_are_dropped(workplace):
    layout = workplace.plan(budgets=[1], draws=1)
    studies.finish(layout)
    markers = [layout.folder / layout.marker(*job) for job in layout.jobs()]
    for marker in markers:
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
    run.drop_stale_markers(layout)
    assert all(m.exists() for m in markers)
    layout.scores("DAE/fold0_1_draw0", layout.plan["dataset"]).unlink()
    run.drop_stale_markers(layout)
    gone = layout.folder / layout.marker("test", "DAE/fold0_1_draw0")
    assert [m for m in markers if not m.exists()] == [gone]


def test_no_more_jobs_than_gpus(workplace, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    layout = workplace.plan(budgets=[1], draws=1, device="cuda")
    assert run.snakemake_command(layout, 8, None, False)[-2:] == ["--resources", "gpu=3"]
    assert "--resources" not in run.snakemake_command(layout, None, "slurm", False)
