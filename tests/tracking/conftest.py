import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import tiny

NAME = "nnUNetPretrainerDAE_3epochs_2iters"


class KilledError(Exception):
    """Stands in for ``kill -9`` in the middle of an epoch."""


@dataclass(frozen=True)
class Tracked:
    fold: Path
    losses: list[float]


@pytest.fixture
def mlflow_variables(monkeypatch):
    """Takes back what a training sets, and tries a silent server once."""
    for name in ("MLFLOW_HTTP_REQUEST_TIMEOUT", "MLFLOW_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    return monkeypatch


def killed_in_epoch_2(name: str) -> Path:
    """A training that dies in its last epoch, and whose newest checkpoint is one epoch old."""
    trainer = tiny.make_trainer(name)
    fold, step = Path(trainer.output_folder), trainer.train_step

    def train_step(batch):
        if trainer.current_epoch == 1:
            shutil.copy(fold / "checkpoint_latest.pth", fold / "kept.pth")
        if trainer.current_epoch == 2:
            raise KilledError("in epoch 2")
        return step(batch)

    trainer.train_step = train_step
    with pytest.raises(KilledError, match="in epoch 2"):
        trainer.run_training()
    os.replace(fold / "kept.pth", fold / "checkpoint_latest.pth")
    return fold


@pytest.fixture(scope="package")
def tracked(tiny_dataset, tmp_path_factory) -> Tracked:
    """A training that logs everywhere, is killed, trains an epoch again, and is validated twice."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("nnUNet_results", str(tmp_path_factory.mktemp("tracked")))
        patch.setenv("nnUNet_uad_log_to", "tensorboard, mlflow")
        fold = killed_in_epoch_2(NAME)
        # Not a setting: it may be left out, and come back.
        tiny.run_training(NAME, continue_training=True)
        tiny.run_training(NAME, only_run_validation=True)
        trainer = tiny.make_trainer(NAME)
        trainer.load_checkpoint(str(fold / "checkpoint_final.pth"))
        return Tracked(fold, trainer.logger.get_value("train_losses", None))
