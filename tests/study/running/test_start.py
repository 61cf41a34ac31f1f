import subprocess
import sys

from nnunet_uad.study.running.warm_names import ADDRESS_VARIABLE


def test_without_a_warm_process_the_job_runs_here(tmp_path, monkeypatch):
    monkeypatch.delenv(ADDRESS_VARIABLE, raising=False)
    asked = [sys.executable, "-m", "nnunet_uad.study.running.start", str(tmp_path), "train", "scratch/fold0"]
    done = subprocess.run(asked, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith("train scratch/fold0: ")
