"""A run in MLflow, on this machine or on a server."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nnunet_uad.common.files import write_json
from nnunet_uad.common.json_files import read_as
from nnunet_uad.tracking.run import TrackedRun, versions
from nnunet_uad.tracking.wanted import LOG_VARIABLE, MLFLOW, require_modules

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

#: MLflow's own variables: where runs are kept, and the experiment that they belong to.
URI_VARIABLE, EXPERIMENT_VARIABLE = "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"
#: File in the folder of the fold that says which run is this training's.
RUN_FILE = "mlflow_run.json"
#: Where runs are kept without :data:`URI_VARIABLE`, below nnUNet_results: a database, and the pictures.
DATABASE, PICTURES = "mlflow.db", "mlflow_pictures"
#: Tag of a run: number of the last epoch that it has. MLflow keeps every value it is sent, doubled steps, too.
LAST_EPOCH = "nnunet_uad.last_epoch"
#: A server that does not answer is left alone for so long, s.
PAUSE = 60.0
#: MLflow itself would try for minutes, while the training waits; and tell its makers of its use. Who has set these
#: variables keeps them.
_PATIENCE = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
#: Entries that MLflow takes at once: metrics, parameters.
_METRICS, _PARAMETERS = 1000, 100
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")


@dataclass(frozen=True)
class KnownRun:
    """Content of :data:`RUN_FILE`.

    Attributes:
        run_id: Name that MLflow gave to the run.
    """

    run_id: str


class MlflowWriter:
    """Writes metrics, parameters and, where they stay on this machine, pictures.

    What cannot be delivered waits and is sent later: a training does not stop because a server does.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[dict[str, float], int]] = []
        self._summary: dict[str, float] = {}
        self._pictures: list[tuple[str, Path]] = []
        self._status = "RUNNING"
        self._run_id = ""
        self._described = False
        self._last_epoch = self._step = -1
        self._not_before = 0.0
        self._told = False

    def check(self) -> None:
        """Refuse an address that MLflow cannot use; a server that is merely silent is none.

        Raises:
            ValueError: MLflow knows no such kind of address; says what it says.
            RuntimeError: The packages that a database needs are missing.
        """
        for name, value in _PATIENCE.items():
            os.environ.setdefault(name, value)
        uri = os.environ.get(URI_VARIABLE, "sqlite:")
        if uri.startswith(_DATABASES):
            # Not opened yet: data loaders, which are forked after this, must not inherit a database.
            require_modules(MLFLOW, ("sqlalchemy", "alembic"))
            return
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient

        try:
            MlflowClient(tracking_uri=uri)
        except MlflowException as error:
            raise ValueError(
                f"MLflow cannot use the address in {URI_VARIABLE}: {error} Set another one, or none for a database "
                f"below nnUNet_results, or train without MLflow: unset {LOG_VARIABLE}"
            ) from error

    def begin(self, run: TrackedRun) -> None:
        """Open a new run, or the one that the training had before it was interrupted.

        Args:
            run: Training that begins or goes on.
        """
        self._run = run
        results = run.model.results
        self._uri = os.environ.get(URI_VARIABLE) or f"sqlite:///{(results / DATABASE).as_posix()}"
        self._pictures_stay = not self._uri.startswith(("http", "databricks"))
        self._deliver(self._send)

    def write(self, values: Mapping[str, float], step: int) -> None:
        """Send the values of an epoch, and what waits.

        Args:
            values: Values by name.
            step: Number of the epoch.
        """
        self._waiting.append((dict(values), step))
        self._deliver(self._send)

    def summarise(self, values: Mapping[str, float], step: int) -> None:
        """Keep what a validation found until :meth:`end`.

        Args:
            values: Values by name.
            step: Number of epochs that were trained.
        """
        self._summary, self._step = {_key(name): value for name, value in values.items()}, step

    def picture(self, name: str, path: Path, step: int) -> None:
        """Keep a picture beside the run where that is this machine; pictures of patients do not go to a server.

        Args:
            name: Name, of two parts with a slash between.
            path: PNG file.
            step: Number of epochs that were trained.
        """
        if self._pictures_stay:
            self._pictures.append((name.rpartition("/")[0], path))

    def end(self, status: str) -> None:
        """Send what waits, and how the training ended.

        Args:
            status: ``FINISHED``, ``FAILED`` or ``KILLED``.
        """
        self._status, self._not_before = status, 0.0
        self._deliver(self._finish)
        if self._waiting:
            self._run.say(
                f"WARNING: {len(self._waiting)} epoch(s) of this training did not reach MLflow; nnU-Net's own log and "
                "checkpoints have them."
            )

    # --- what may fail --------------------------------------------------------------------------

    def _deliver(self, what: Callable[[MlflowClient], None]) -> None:
        """Do something with MLflow; a failure is told once, and nothing is tried for a while."""
        if time.monotonic() < self._not_before:
            return
        from mlflow.tracking import MlflowClient

        try:
            client = MlflowClient(tracking_uri=self._uri)
            if not self._run_id:
                self._open(client)
            if not self._described:
                self._describe(client)
            what(client)
        except _unreachable() as error:
            self._not_before = time.monotonic() + PAUSE
            if not self._told:
                self._told = True
                self._run.say(
                    "WARNING: ##### MLflow cannot be reached. The training goes on; its curves are sent once MLflow "
                    f"answers again. {URI_VARIABLE} is {'set' if URI_VARIABLE in os.environ else 'not set'}; MLflow "
                    f"says: {_without_secrets(str(error))} #####"
                )

    def _open(self, client: MlflowClient) -> None:
        """Find or make the run."""
        found = self._known(client) or self._new(client)
        write_json(self._run.folder / RUN_FILE, {"run_id": found.info.run_id})
        self._last_epoch = int(found.data.tags.get(LAST_EPOCH, -1))
        self._run_id = found.info.run_id

    def _describe(self, client: MlflowClient) -> None:
        """Give the run what describes the training; parameters that it has cannot be changed, nor do they change."""
        from mlflow.entities import Param, RunTag

        kept = client.get_run(self._run_id).data.params
        parameters = [Param(_key(k), str(v)) for k, v in self._run.parameters.items() if _key(k) not in kept]
        for first in range(0, len(parameters), _PARAMETERS):
            client.log_batch(self._run_id, params=parameters[first : first + _PARAMETERS])
        # Versions may change while a training lasts.
        client.log_batch(self._run_id, tags=[RunTag(f"version.{name}", value) for name, value in versions().items()])
        client.update_run(self._run_id, status="RUNNING")
        self._described = True

    def _known(self, client: MlflowClient) -> Run | None:
        """The run that this training had; ``None`` for a new training, or where MLflow does not know the run."""
        from mlflow.exceptions import MlflowException

        path = self._run.folder / RUN_FILE
        if self._run.epoch == 0 or not path.exists():
            return None
        try:
            found = client.get_run(read_as(KnownRun, path, "Remove it, and a new run begins.").run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            found = None
        if found is None or found.info.lifecycle_stage != "active":
            self._run.say(f"MLflow does not know the run of {path}: a new run begins.")
            return None
        return found

    def _new(self, client: MlflowClient) -> Run:
        """A new run, in the experiment that MLflow's variable or else the dataset names."""
        model = self._run.model
        name = os.environ.get(EXPERIMENT_VARIABLE) or model.dataset
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            # MLflow would put pictures into the folder in which the training was started.
            place = None if URI_VARIABLE in os.environ else (model.results / PICTURES / name).absolute().as_uri()
            number = client.create_experiment(name, artifact_location=place)
        else:
            number = experiment.experiment_id
        return client.create_run(number, run_name=self._run.name)

    def _send(self, client: MlflowClient) -> None:
        """Send all epochs that wait; what the run has already is left out."""
        while self._waiting:
            values, step = self._waiting[0]
            if step > self._last_epoch:
                self._log(client, values, step, {LAST_EPOCH: str(step)})
                self._last_epoch = step
            self._waiting.pop(0)

    def _finish(self, client: MlflowClient) -> None:
        """Send all that waits; a validation that found the same as the one before leaves no second value."""
        self._send(client)
        if self._summary:
            kept = client.get_run(self._run_id).data.metrics
            self._log(client, {k: v for k, v in self._summary.items() if kept.get(k) != v}, self._step, {})
            self._summary = {}
        while self._pictures:
            folder, path = self._pictures[0]
            client.log_artifact(self._run_id, str(path), folder)
            self._pictures.pop(0)
        client.set_terminated(self._run_id, self._status)

    def _log(self, client: MlflowClient, values: Mapping[str, float], step: int, tags: Mapping[str, str]) -> None:
        """Send metrics of one step, and tags with the last of them."""
        from mlflow.entities import Metric, RunTag

        now = int(time.time() * 1000)
        metrics = [Metric(_key(name), value, now, step) for name, value in values.items()]
        for first in range(_METRICS, len(metrics), _METRICS):
            client.log_batch(self._run_id, metrics=metrics[first : first + _METRICS])
        client.log_batch(self._run_id, metrics=metrics[:_METRICS], tags=[RunTag(k, v) for k, v in tags.items()])


def _unreachable() -> tuple[type[Exception], ...]:
    """What is raised where a server or a database cannot be used; a server needs no library of databases."""
    from mlflow.exceptions import MlflowException

    with suppress(ImportError):
        from sqlalchemy.exc import SQLAlchemyError

        return MlflowException, SQLAlchemyError, OSError
    return MlflowException, OSError


def _key(name: str) -> str:
    """A name as MLflow takes them.

    Example:
        >>> _key("final_val/map lesion_recall@fpr:0.01")
        'final_val/map lesion_recall_fpr:0.01'
    """
    return re.sub(r"[^\w\-. :/]", "_", name)


def _without_secrets(text: str) -> str:
    """An address without user and password.

    Example:
        >>> _without_secrets("no answer from https://me:secret@host:5000/api")
        'no answer from https://…@host:5000/api'
    """
    return re.sub(r"//[^/@\s]+@", "//…@", text)
