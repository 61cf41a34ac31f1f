"""How a training's curves get to TensorBoard and MLflow: beside nnU-Net's logger, which serves further loggers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nnunet_uad.tracking.epoch_logger import EpochLogger
from nnunet_uad.tracking.run import TrackedRun, flat
from nnunet_uad.training.stored_trainer import StoredTrainer


class TrackedTrainer(StoredTrainer):
    """An nnU-Net trainer whose logger serves further destinations."""

    # Set by nnU-Net, whose types mypy cannot see through.
    logger: Any
    configuration_manager: Any
    tracking: EpochLogger

    def prepare_tracking(self, destinations: Sequence[str]) -> None:
        """Give nnU-Net's logger one more to serve; of a distributed training the first process has destinations.

        Args:
            destinations: Names of the destinations.
        """
        self.tracking = EpochLogger(destinations if self.local_rank == 0 else ())
        if self.tracking.writers:
            self.logger.loggers.append(self.tracking)

    def begin_tracking(self) -> None:
        """Open the destinations, after data loaders have been forked off."""
        own = {"settings": self.stored_settings(), "seed": self.seed}
        if self.current_epoch == 0:
            # Once: what a W&B run was told cannot be told again otherwise.
            self.logger.update_config({"nnunet_uad": own})
        plan = self.configuration_manager
        described = {
            "dataset": self.plans_manager.dataset_name,
            "trainer": type(self).__name__,
            "plans": self.plans_manager.plans_name,
            "configuration": self.configuration_name,
            "fold": str(self.fold),
            "plan": {"patch_size": [*plan.patch_size], "spacing": [*plan.spacing]},
            **own,
        }
        self.tracking.begin(
            TrackedRun(Path(self.output_folder), self.current_epoch, flat(described), self.print_to_log_file)
        )

    def log_further(self, name: str, value: float) -> None:
        """Log a value that nnU-Net's own files have no place for, wherever else curves go: W&B, TensorBoard, MLflow.

        Args:
            name: Name of the value.
            value: Number of this epoch.
        """
        for logger in self.logger.loggers:
            logger.log(name, value, self.current_epoch)

    def on_epoch_end(self) -> None:
        """As nnU-Net, and send the epoch's values where they are wanted."""
        super().on_epoch_end()
        self.tracking.end_epoch(self.current_epoch - 1)

    def track_validation(self) -> None:
        """Send metrics and pictures of the validation where they are wanted; ``--val`` joins the training's run."""
        if self.tracking.writers:
            self.tracking.check()
            self.begin_tracking()
            self.tracking.end_validation(Path(self.output_folder) / "validation", self.current_epoch)
