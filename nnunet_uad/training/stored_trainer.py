"""How a training is stored and goes on: checkpoints that survive ``kill -9``, run no code and hold the settings."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from torch import nn
from torch._dynamo import OptimizedModule
from torch.nn.parallel import DistributedDataParallel

from nnunet_uad.common.plan_settings import BLOCK
from nnunet_uad.common.settings import SETTINGS_VARIABLE, Settings, assignments, settings_to_json
from nnunet_uad.training.checkpoints import atomic_checkpoint
from nnunet_uad.weights.checkpoint import TRAINING, Checkpoint, no_code, read_checkpoint
from nnunet_uad.weights.tensors import is_finite


class StoredTrainer(nnUNetTrainer):
    """An nnU-Net trainer whose checkpoints are whole or absent, and which goes on only as it was begun."""

    settings: Settings
    seed: int
    my_init_kwargs: dict[str, Any]
    _best_ema: float | None
    #: Name of a setting → where it comes from; defaults are left out.
    _settings_origins: dict[str, str]
    #: Settings of the checkpoint that was loaded.
    _stored_settings: dict[str, Any] | None = None

    @property
    def bare_network(self) -> nn.Module:
        """The network without the wrappers of DDP and ``torch.compile``."""
        # Not is_ddp: optimisers are configured before nnU-Net wraps the network.
        network = self.network.module if isinstance(self.network, DistributedDataParallel) else self.network
        return network._orig_mod if isinstance(network, OptimizedModule) else network

    def save_checkpoint(self, filename: str) -> None:
        """nnU-Net's checkpoint, written atomically and free of NumPy scalars.

        Without them ``torch.load(weights_only=True)`` accepts the file: nobody has to unpickle our weights.

        Raises:
            RuntimeError: A weight is NaN or infinite; what was written before is kept.
        """
        self.refuse_spoilt_weights()
        logging = self.logger.local_logger.my_fantastic_logging
        for key, values in logging.items():
            logging[key] = _to_python(values)
        self._best_ema = _to_python(self._best_ema)
        # A copy: plans carry the settings that they were written with, checkpoints those that the run has.
        plans = {**self.my_init_kwargs["plans"], BLOCK: self._run_information()}
        self.my_init_kwargs = {**self.my_init_kwargs, "plans": plans}
        if self.local_rank != 0 or self.disable_checkpointing:
            super().save_checkpoint(filename)
            return
        with atomic_checkpoint(filename) as temporary:
            super().save_checkpoint(str(temporary))

    def refuse_spoilt_weights(self) -> None:
        """What is asked before anything is written of the weights.

        Raises:
            RuntimeError: A weight is NaN or infinite.
        """
        if self.local_rank == 0 and not self.disable_checkpointing:
            spoilt = [n for n, p in self.bare_network.named_parameters() if not is_finite(p.detach())]
            if spoilt:
                raise RuntimeError(self.diverged(f"{spoilt[0]} holds NaN or infinite numbers"))

    def load_checkpoint(self, filename_or_checkpoint: str) -> None:
        """As nnU-Net, but the file is checked first and runs no code; remembers the run's settings and seed.

        Raises:
            ValueError: The file is no whole checkpoint of this trainer's network and fold; names it and what is wrong.
        """
        stored = read_checkpoint(filename_or_checkpoint, TRAINING)
        self._refuse_other_training(stored)
        if not self.was_initialized:
            self.prepare_for(stored)
            self.initialize()
        stored.refuse_other_network(self.bare_network)
        with stored.unfit_is_told(), no_code():
            super().load_checkpoint(filename_or_checkpoint)
        self.take_over(stored)

    def take_over(self, stored: Checkpoint) -> None:
        """What the run takes over of a checkpoint, besides what nnU-Net does.

        Args:
            stored: Checkpoint that was loaded.
        """
        self._stored_settings = stored.run.get("settings")
        self.seed = stored.run.get("seed", self.seed)

    def prepare_for(self, stored: Checkpoint) -> None:
        """What a trainer must know of a checkpoint before it builds its network; nothing unless a trainer says so.

        Args:
            stored: Checkpoint that is about to be loaded.
        """

    def _refuse_other_training(self, stored: Checkpoint) -> None:
        epoch = stored.content["current_epoch"]
        if stored.fold not in ("", str(self.fold)):
            raise ValueError(
                f"{stored.path} was trained on fold {stored.fold}, but this is fold {self.fold}: its validation cases "
                "are not those of this fold. Continue or validate the fold that it belongs to."
            )
        if not 0 <= epoch <= self.num_epochs:
            raise ValueError(
                f"{stored.path}: current_epoch expects 0 to {self.num_epochs}, the length of {type(self).__name__}, "
                f"found {epoch}."
            )
        if epoch < self.num_epochs:
            stored.refuse_spoilt_optimizer()
        if stored.trainer != type(self).__name__:
            self.print_to_log_file(
                f"WARNING: {stored.path} was written by {stored.trainer}, not {type(self).__name__}."
            )

    def stored_settings(self) -> dict[str, Any]:
        """The settings as files keep them, which are passed on: of files and folders the last name alone."""
        return self.settings.without_folders(settings_to_json(self.settings))

    def _run_information(self) -> dict[str, Any]:
        return {"settings": self.stored_settings(), "seed": self.seed}

    def _check_same_settings(self) -> None:
        """A continued run must continue with its own settings; only the seed may be left out."""
        if self._stored_settings is None:
            return
        # Earlier versions kept the folders, too.
        kept = self.settings.without_folders(self._stored_settings)
        now, then = self.stored_settings(), {**self.settings.at_first(), **kept}
        changed = [k for k in now if k != "seed" and now[k] != then.get(k, now[k])]
        if changed:
            wanted = assignments({k: then[k] for k in changed})
            otherwise = ", ".join(
                f"{assignments({k: now[k]})} from {self._settings_origins.get(k, 'its default')}" for k in changed
            )
            raise RuntimeError(
                f"This training was started with other settings ({wanted}) than it would be continued with "
                f"({otherwise}). Continue with the same: {SETTINGS_VARIABLE}={shlex.quote(wanted)} nnUNetv2_train … --c"
            )

    def diverged(self, found: str) -> str:
        """What is said of a training that came to nothing: what was found, what is kept, what to do.

        Args:
            found: Sign that it has diverged.
        """
        kept = [p for p in sorted(Path(self.output_folder).glob("checkpoint_*.pth")) if p.is_file()]
        return (
            f"The training has diverged: {found}. Nothing was written since the last checkpoint "
            + (f"({', '.join(p.name for p in kept)} in {self.output_folder})" if kept else "(there is none yet)")
            + f". Start anew with a lower learning_rate (now {self.initial_lr:g}): "
            f'{SETTINGS_VARIABLE}="learning_rate={self.initial_lr / 10:g}" nnUNetv2_train …; if it diverges again, '
            "look for extreme values in the images."
        )


def _to_python(value: Any) -> Any:
    """NumPy scalars to Python numbers, through lists."""
    if isinstance(value, list):
        return [_to_python(v) for v in value]
    return value.item() if isinstance(value, (np.generic, np.ndarray)) and value.ndim == 0 else value
