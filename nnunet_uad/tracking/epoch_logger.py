"""One of the loggers that nnU-Net's logger serves: it collects an epoch and hands it over at the epoch's end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from nnunet_uad.tracking.mlflow_writer import MlflowWriter
from nnunet_uad.tracking.run import TrackedRun, Writer, flat
from nnunet_uad.tracking.tensorboard_writer import TensorboardWriter
from nnunet_uad.tracking.wanted import MLFLOW, TENSORBOARD

#: Seconds that an epoch took, in place of nnU-Net's two times of day.
SECONDS = "epoch_seconds"
#: More pictures than these of a validation say little more, and fill the disk.
PICTURES = 16
_START, _END = "epoch_start_timestamps", "epoch_end_timestamps"
_WRITERS: Mapping[str, type[Writer]] = {TENSORBOARD: TensorboardWriter, MLFLOW: MlflowWriter}


class EpochLogger:
    """A logger as nnU-Net's ``MetaLogger`` wants them: ``update_config``, ``log``, ``log_summary``.

    Nothing leaves the process before the epoch's end, so a training step waits for nobody.
    """

    def __init__(self, destinations: Sequence[str]) -> None:
        self.writers = [_WRITERS[name]() for name in destinations]
        self._values: dict[str, float] = {}
        self._summary: dict[str, float] = {}
        self._parameters: dict[str, Any] = {}
        self._started = 0.0
        self._begun = False

    # --- what nnU-Net calls ---------------------------------------------------------------------

    def update_config(self, config: Mapping[str, Any]) -> None:
        """Take nnU-Net's hyper-parameters; its plans, which it hands over, too, lie beside the training.

        Args:
            config: Description of the training that nnU-Net gives its loggers.
        """
        self._parameters |= flat({"nnunet": config["hparas"]}) if "hparas" in config else {}

    def log(self, key: str, value: Any, step: int) -> None:
        """Keep a value until the epoch ends.

        Args:
            key: Name of the value.
            value: Number of this epoch.
            step: Number of the epoch.
        """
        if key == _START:
            self._started = float(value)
        elif key == _END:
            self._values[SECONDS] = float(value) - self._started
        else:
            self._values[key] = float(value)

    def log_summary(self, key: str, value: Any) -> None:
        """Keep a value of the final validation.

        Args:
            key: Name of the value.
            value: Number; ``None`` where it is undefined.
        """
        if value is not None:
            self._summary[key] = float(value)

    # --- what our trainers call -----------------------------------------------------------------

    def check(self) -> None:
        """Refuse destinations that cannot work, before the training starts.

        Raises:
            ValueError: A destination was described wrongly.
            RuntimeError: A package is missing.
        """
        for writer in self.writers:
            writer.check()

    def begin(self, run: TrackedRun) -> None:
        """Open the destinations, once.

        Args:
            run: Training that begins or goes on.
        """
        if not self._begun:
            self._begun = True
            for writer in self.writers:
                writer.begin(replace(run, parameters={**run.parameters, **self._parameters}))

    def end_epoch(self, step: int) -> None:
        """Write what the epoch gave.

        Args:
            step: Number of the epoch.
        """
        values, self._values = self._values, {}
        for writer in self.writers if values else ():
            writer.write(values, step)

    def end_validation(self, folder: Path, step: int) -> None:
        """Write the metrics of the final validation, and show its pictures.

        Args:
            folder: Folder of the validation.
            step: Number of epochs that were trained.
        """
        summary, self._summary = self._summary, {}
        pictures = sorted(folder.glob("*.png"))[:PICTURES] if self.writers else []
        for writer in self.writers:
            if summary:
                writer.summarise(summary, step)
            for path in pictures:
                writer.picture(f"{folder.name}/{path.stem}", path, step)
            writer.end("FINISHED")

    @contextmanager
    def training(self) -> Iterator[None]:
        """Tell the destinations how the training inside ended."""
        status = "FAILED"
        try:
            yield
            status = "FINISHED"
        except (KeyboardInterrupt, SystemExit):
            status = "KILLED"
            raise
        finally:
            for writer in self.writers if self._begun else ():
                writer.end(status)
