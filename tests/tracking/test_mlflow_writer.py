import os
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
import tiny
from mlflow.tracking import MlflowClient

from nnunet_uad.tracking import mlflow_writer
from nnunet_uad.tracking.mlflow_writer import RUN_FILE, MlflowWriter
from nnunet_uad.tracking.run import TrackedRun


def runs_of(uri: str, experiment: str = tiny.DATASET):
    client = MlflowClient(tracking_uri=uri)
    return client, client.search_runs([client.get_experiment_by_name(experiment).experiment_id])


def steps(client, run, name: str) -> list[int]:
    return [metric.step for metric in client.get_metric_history(run.info.run_id, name)]


def test_a_killed_training_goes_on_in_its_run_and_no_step_is_doubled(tracked):
    client, runs = runs_of(f"sqlite:///{tracked.fold.parents[2] / 'mlflow.db'}")
    assert len(runs) == 1 and runs[0].info.status == "FINISHED"
    assert runs[0].info.run_name == f"{tracked.fold.parent.name} fold_0"
    losses = client.get_metric_history(runs[0].info.run_id, "train_losses")
    assert [metric.step for metric in losses] == [0, 1, 2]
    # Of the epoch that was trained twice the first value stays.
    assert losses[0].value == pytest.approx(tracked.losses[0]) and losses[2].value == pytest.approx(tracked.losses[2])
    assert steps(client, runs[0], "R2") == steps(client, runs[0], "epoch_seconds") == [0, 1, 2]


def test_two_validations_that_find_the_same_are_one(tracked):
    client, (run,) = runs_of(f"sqlite:///{tracked.fold.parents[2] / 'mlflow.db'}")
    final = [name for name in run.data.metrics if name.startswith("final_val/")]
    assert any(name.endswith(" AP") for name in final)
    assert all(steps(client, run, name) == [3] for name in final)


def test_settings_versions_and_pictures(tracked):
    client, (run,) = runs_of(f"sqlite:///{tracked.fold.parents[2] / 'mlflow.db'}")
    assert run.data.params["settings.learning_rate"] == "0.001" and run.data.params["nnunet.num_epochs"] == "3"
    assert run.data.tags["version.nnunetv2"].startswith("2.")
    assert run.info.artifact_uri.startswith((tracked.fold.parents[2] / "mlflow_pictures").as_uri())
    pictures = client.list_artifacts(run.info.run_id, "validation")
    assert [p.path for p in pictures] == [f"validation/{case}_montage.png" for case in tiny.LESION[2:]]


def begun(folder, say, epoch: int = 0) -> MlflowWriter:
    fold = folder / "Dataset001_A" / "T__P__2d" / "fold_0"
    fold.mkdir(parents=True, exist_ok=True)
    writer = MlflowWriter()
    writer.check()
    writer.begin(TrackedRun(fold, epoch, {"seed": 1}, say))
    return writer


def test_a_silent_server_is_told_once_and_gets_everything_later(tmp_path, mlflow_variables):
    mlflow_variables.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    mlflow_variables.setattr(mlflow_writer, "PAUSE", 0.0)
    said = []
    writer = begun(tmp_path, said.append)
    writer.write({"train_losses": 1.0}, 0)
    writer.write({"train_losses": 0.5}, 1)
    assert len(said) == 1 and "MLflow cannot be reached. The training goes on" in said[0]
    assert "secret" not in said[0]
    writer.end("FINISHED")
    assert said[1].startswith("WARNING: 2 epoch(s) of this training did not reach MLflow")
    mlflow_variables.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    writer._uri = (tmp_path / "runs").as_uri()
    writer.end("FINISHED")
    client, (run,) = runs_of(writer._uri, "Dataset001_A")
    assert steps(client, run, "train_losses") == [0, 1] and run.data.params == {"seed": "1"}
    assert len(said) == 2


def test_a_silent_server_is_left_alone_for_a_while(tmp_path, mlflow_variables):
    mlflow_variables.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    writer = begun(tmp_path, lambda text: None)
    mlflow_variables.setattr(MlflowWriter, "_open", lambda *arguments: pytest.fail("asked again"))
    writer.write({"train_losses": 1.0}, 0)


def test_a_training_whose_run_was_deleted_begins_a_new_one(tmp_path, mlflow_variables):
    said, uri = [], (tmp_path / "runs").as_uri()
    mlflow_variables.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow_variables.setenv("MLFLOW_TRACKING_URI", uri)
    begun(tmp_path, said.append).end("KILLED")
    client, (run,) = runs_of(uri, "Dataset001_A")
    begun(tmp_path, said.append, epoch=1).end("FINISHED")
    assert [r.info.run_id for r in runs_of(uri, "Dataset001_A")[1]] == [run.info.run_id]
    client.delete_run(run.info.run_id)
    begun(tmp_path, said.append, epoch=1)
    assert [r.info.run_id for r in runs_of(uri, "Dataset001_A")[1]] != [run.info.run_id]
    assert len(said) == 1 and RUN_FILE in said[0]


def test_an_address_of_no_kind_is_refused(mlflow_variables):
    mlflow_variables.setenv("MLFLOW_TRACKING_URI", "htp://host:5000")
    with pytest.raises(ValueError, match="MLflow cannot use the address in MLFLOW_TRACKING_URI"):
        MlflowWriter().check()


def test_files_instead_of_a_database(tmp_path, mlflow_variables):
    """MLflow keeps no longer working at them; those who allow it have them."""
    mlflow_variables.setenv("MLFLOW_TRACKING_URI", (tmp_path / "runs").as_uri())
    mlflow_variables.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow_variables.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    writer = begun(tmp_path, pytest.fail)
    writer.write({"train_losses": float("nan")}, 0)
    client, (run,) = runs_of((tmp_path / "runs").as_uri(), "mine")
    assert steps(client, run, "train_losses") == [0]


@pytest.mark.thorough
def test_a_server_on_this_machine(tiny_dataset, results, tmp_path, mlflow_variables):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{free.getsockname()[1]}"
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", uri.rpartition(":")[2]]
    command += ["--backend-store-uri", f"sqlite:///{tmp_path / 'served.db'}", "--default-artifact-root", str(tmp_path)]
    with open(tmp_path / "log", "w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=tmp_path)
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"{uri}/health", timeout=1)
                break
            except OSError:
                time.sleep(0.5)
        mlflow_variables.setenv("MLFLOW_TRACKING_URI", uri)
        mlflow_variables.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
        mlflow_variables.setenv("nnUNet_uad_log_to", "mlflow")
        tiny.run_training("nnUNetPretrainerDAE_2epochs_2iters")
        client, (run,) = runs_of(uri)
        assert steps(client, run, "train_losses") == [0, 1] and run.info.status == "FINISHED"
        assert any(name.startswith("final_val/") for name in run.data.metrics)
        # Pictures of patients do not travel.
        assert client.list_artifacts(run.info.run_id) == []
    finally:
        server.terminate()
        server.wait(30)
