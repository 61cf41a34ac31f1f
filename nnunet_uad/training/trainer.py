"""The common ground of both stages: an nnU-Net trainer with settings, warm-up and atomic checkpoints."""

from __future__ import annotations

import random
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from nnunetv2.training.dataloading.nnunet_dataset import infer_dataset_class

from nnunet_uad.common.bounds import Decay, Rate, SeedOrDrawn, ShareBelowOne
from nnunet_uad.common.devices import device_in_words
from nnunet_uad.common.nnunet import require_configuration
from nnunet_uad.common.nnunet_files import check_dataset_json
from nnunet_uad.common.plan_settings import choose_settings
from nnunet_uad.common.precision import AUTO, OFF, PRECISIONS, keep_precision, precision_in_words
from nnunet_uad.common.settings import SETTINGS_VARIABLE, Settings, check_choices, settings_to_json
from nnunet_uad.data.complete_plans import require_complete
from nnunet_uad.data.content import case_contents, raw_folder
from nnunet_uad.data.splits import SPLITS_FILE, ensure_splits
from nnunet_uad.tracking.wanted import wanted_destinations
from nnunet_uad.training.carried_names import refuse_unknown_names
from nnunet_uad.training.cases import TrainedCases, copies_within, refuse_impossible_split, refuse_other_cases
from nnunet_uad.training.checkpoints import own_fold
from nnunet_uad.training.checks import check_finite, check_free_space, check_preprocessed, check_results_folder
from nnunet_uad.training.nnunet_flags import pretrained_weights_flag
from nnunet_uad.training.schedule import Course, RateSchedule
from nnunet_uad.training.tracked_trainer import TrackedTrainer
from nnunet_uad.weights.checkpoint import read_checkpoint


@dataclass(frozen=True)
class TrainSettings(Settings):
    """Settings of every trainer.

    Attributes:
        optimizer: ``adamw`` or ``sgd`` (Nesterov momentum 0.99, as nnU-Net).
        learning_rate: Peak rate.
        weight_decay: Weight decay of the optimiser.
        warmup: Share of the training for the linear warm-up.
        seed: Seed of weights and corruption; drawn and recorded when it is −1. The order in which patches are drawn
            repeats only without background workers (``nnUNet_n_proc_DA=0``).
        mirroring: Prediction of mirrored images, too, averaged (nnU-Net's test-time augmentation), in the validation
            that ends a training and wherever the model is used; training mirrors either way.
        amp: Precision of the networks: ``auto`` computes in 16 bits where that is faster (CUDA; processors with
            instructions for bfloat16), ``off`` nowhere. Losses, statistics and maps are float32 either way.
    """

    optimizer: str = "adamw"
    learning_rate: Rate = 1e-3
    weight_decay: Decay = 1e-2
    warmup: ShareBelowOne = 0.1
    seed: SeedOrDrawn = -1
    mirroring: bool = True
    amp: str = AUTO

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.optimizer not in ("adamw", "sgd"):
            raise ValueError(f"optimizer expects adamw or sgd, found {self.optimizer!r}.")
        check_choices(self, {"amp": PRECISIONS})


class UADTrainer(TrackedTrainer):
    """An nnU-Net trainer with settings, per-iteration warm-up and checkpoints that survive ``kill -9``."""

    settings_class: type[TrainSettings] = TrainSettings
    #: Settings that save memory, besides the plan's batch and patch; empty where there are none.
    memory_advice: str = ""
    settings: TrainSettings

    def __init__(
        self,
        plans: dict,
        configuration: str,
        fold: int,
        dataset_json: dict,
        device: torch.device = torch.device("cuda"),  # noqa: B008
    ) -> None:
        chosen = choose_settings(self.settings_class, type(self).__name__, plans)
        refuse_unknown_names(self.settings_class, plans)
        check_results_folder()
        destinations = wanted_destinations()
        self.check_configuration(plans, configuration, fold)
        folder = Path(str(plans.get("dataset_name")))
        check_dataset_json(dataset_json, str(folder / "dataset.json"))
        require_complete(
            plans, configuration, str(folder / f"{plans.get('plans_name')}.json"), len(dataset_json["channel_names"])
        )
        super().__init__(plans, configuration, fold, dataset_json, device)
        settings = self.settings = chosen.settings
        self._settings_origins = chosen.origins
        #: For errors of what checks settings later: ``with settings_from(self.settings_source): …``.
        self.settings_source = chosen.source
        self.initial_lr = settings.learning_rate
        self.weight_decay = settings.weight_decay
        if settings.amp == OFF:
            # nnU-Net scales the loss for the sake of half precision.
            self.grad_scaler = None
        # nnU-Net's 50 epochs are hours on a large plan; a lost hour is worse than a written file.
        self.save_every = 10
        self.prepare_tracking(destinations)
        self.seed = settings.seed if settings.seed >= 0 else _shared_seed(self.is_ddp)
        self._iteration = 0
        #: What the fold is trained and validated on; known from the start of a training, to the first process.
        self.cases: TrainedCases | None = None

    @classmethod
    def check_configuration(cls, plans: dict, configuration: str, fold: int | str) -> None:
        """Refuse what this trainer cannot train, before anything is written; nnU-Net trains all configurations.

        Args:
            plans: Content of the plans.
            configuration: Name of the configuration.
            fold: Fold that is to be trained.

        Raises:
            ValueError: The plans have no such configuration; names those that there are.
        """
        where = f"{plans.get('plans_name', '')} of {plans.get('dataset_name', 'this dataset')}"
        configurations = plans.get("configurations")
        if not isinstance(configurations, dict):
            raise ValueError(
                f"The plans {where} hold no configurations, as those of nnU-Net v2 do. Plan again: "
                "nnUNetv2_plan_and_preprocess -d DATASET"
            )
        hint = " Add a small one: nnunet_uad small-plan."
        require_configuration(where, configurations, configuration, hint)

    # --- network and optimiser ------------------------------------------------------------------

    def initialize(self) -> None:
        """Seed, then build network, optimiser and loss as nnU-Net does.

        Raises:
            RuntimeError: The device is not there.
            FileNotFoundError: The configuration is not preprocessed.
            ValueError: nnU-Net's ``-pretrained_weights`` names a file that would run code or is damaged, or the trainer
                has weights of its own.
        """
        manager = self.plans_manager
        check_preprocessed(
            self.preprocessed_dataset_folder, manager.dataset_name, self.configuration_name, manager.plans_name
        )
        named = pretrained_weights_flag()
        if named is not None:
            self.check_pretrained_weights_flag(named)
        torch.manual_seed(self.seed)
        with device_in_words(self.device.type):
            super().initialize()
        keep_precision(self.network, self.settings.amp, self.device)

    def check_pretrained_weights_flag(self, named: str) -> None:
        """Check the file of nnU-Net's ``-pretrained_weights`` before nnU-Net unpickles it.

        Args:
            named: File that the flag names.

        Raises:
            ValueError: The file would run code, is damaged or holds no weights.
        """
        read_checkpoint(named)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Optimiser groups, each with its ``peak_lr``; one group unless a stage overrides this."""
        trained = [p for p in self.network.parameters() if p.requires_grad]
        return [{"params": trained, "peak_lr": self.initial_lr}]

    def course(self, part: str) -> Course:
        """The course of a parameter group's rate: warm-up and polynomial decay unless a stage overrides this.

        Args:
            part: Name of the group; empty where it has none.
        """
        return Course.warmup(self.settings.warmup)

    def configure_optimizers(self) -> tuple[torch.optim.Optimizer, RateSchedule]:
        """AdamW (fused) or SGD over :meth:`parameter_groups`, each of which runs its :meth:`course`."""
        groups = self.parameter_groups()
        optimizer: torch.optim.Optimizer
        if self.settings.optimizer == "adamw":
            optimizer = torch.optim.AdamW(
                groups,
                self.initial_lr,
                weight_decay=self.weight_decay,
                fused=self.device.type in ("cpu", "cuda"),
            )
        else:
            optimizer = torch.optim.SGD(
                groups, self.initial_lr, momentum=0.99, nesterov=True, weight_decay=self.weight_decay
            )
        return optimizer, RateSchedule(optimizer, self.num_epochs, self.course)

    def configure_rotation_dummyDA_mirroring_and_inital_patch_size(self) -> Any:
        """As nnU-Net; without ``mirroring`` the model is not mirrored at inference."""
        sizes = super().configure_rotation_dummyDA_mirroring_and_inital_patch_size()
        if not self.settings.mirroring:
            self.inference_allowed_mirroring_axes = None
        return sizes

    # --- training -------------------------------------------------------------------------------

    def run_training(self) -> None:
        """As nnU-Net, the only one of its fold; a device or disk that is too small is told in words.

        Raises:
            LockedError: Another process trains this fold.
            DiskFullError: The disk is full; the last checkpoint stays.
            RuntimeError: Out of memory; names the settings to lower.
        """
        try:
            with own_fold(self.output_folder, is_writer=self.local_rank == 0), self.tracking.training():
                super().run_training()
        except RuntimeError as error:
            if not isinstance(error, torch.OutOfMemoryError) and "not enough memory" not in str(error):
                raise
            patch = " x ".join(map(str, self.configuration_manager.patch_size))
            # As in docs/tuning.md: the variable for a quick try, the plans for what is to stay.
            own = (
                f'Settings that save memory: {self.memory_advice} ({SETTINGS_VARIABLE}="key=value …" '
                "nnUNetv2_train …, or plans with settings: nnunet_uad settings …). Or lower"
                if self.memory_advice
                else "Lower"
            )
            raise RuntimeError(
                f"{self.device} has not enough memory for {type(self).__name__} with batches of "
                f"{self.configuration_manager.batch_size} patches of {patch} voxels. {own} the batch or patch "
                "size of the plan: nnunet_uad small-plan --batch … --patch …, or nnUNetv2_plan_experiment with a "
                f"smaller -gpu_memory_target. ({str(error).splitlines()[0]})"
            ) from error

    def before_training(self) -> None:
        """What is checked and loaded before anything is written; runs at epoch 0 and on ``--c`` alike."""
        if self.current_epoch == 0 and self.local_rank == 0:
            train, val = self.do_split()
            check_finite(self.dataset_class(self.preprocessed_dataset_folder, [*train]), [*train, *val])

    def on_train_start(self) -> None:
        """Refuse what cannot work, then start as nnU-Net does."""
        if not self.was_initialized:
            self.initialize()
        self._check_same_settings()
        # Weights, gradients' moments and the copies of latest, best and final, plus the transfer file.
        weights = sum(p.numel() for p in self.network.parameters()) * 4
        check_free_space(self.output_folder, 3 * 3 * weights + weights)
        if self.local_rank == 0:
            self.cases = self._settled_cases()
        self.tracking.check()
        self.before_training()
        if self.cases is not None and self.current_epoch == 0:
            self.cases.write(Path(self.output_folder))
        self.save_every = min(self.save_every, max(1, self.num_epochs // 10))
        # A resumed run must not replay the noise it has already seen; ranks must differ from each other.
        seed = self.seed + 7919 * self.current_epoch + 104729 * self.local_rank
        torch.manual_seed(seed)
        # nnU-Net's loaders and their transforms draw from these two, here or in workers that seed themselves.
        np.random.seed(seed % 2**32)
        random.seed(seed)
        origins = ", ".join(f"{key} from {origin}" for key, origin in self._settings_origins.items()) or "all defaults"
        self.print_to_log_file(f"settings: {settings_to_json(self.settings)}, seed: {self.seed} ({origins})")
        self.print_to_log_file(f"precision of the networks: {precision_in_words(self.settings.amp, self.device)}")
        super().on_train_start()
        self.begin_tracking()

    def _split_cases(self) -> TrainedCases:
        """The cases of this fold as they are now, with the fingerprints of their images."""
        train, val = self.do_split()
        base, data = Path(self.preprocessed_dataset_folder_base), Path(self.preprocessed_dataset_folder)
        contents = case_contents(raw_folder(), base, data, [*train, *val])
        return TrainedCases.of(self.plans_manager.dataset_name, str(self.fold), (train, val), contents)

    def _settled_cases(self) -> TrainedCases:
        """The cases of a fold that may be trained: possible ones, and those that it was begun with.

        Raises:
            ValueError: The fold is validated on training cases, or names cases that are not there.
            RuntimeError: The training was begun with other cases.
        """
        cases, splits = self._split_cases(), Path(self.preprocessed_dataset_folder_base) / SPLITS_FILE
        present = self.dataset_class.get_identifiers(self.preprocessed_dataset_folder)
        refuse_impossible_split(cases, present, splits)
        if self.current_epoch > 0:
            refuse_other_cases(Path(self.output_folder), cases, splits, self.print_to_log_file)
        if warning := copies_within(cases):
            self.print_to_log_file(f"WARNING: {warning}")
        return cases

    def perform_actual_validation(self, save_probabilities: bool = False) -> None:
        """As nnU-Net, of a fold that still holds the cases that it was trained without.

        Args:
            save_probabilities: Whether probabilities are written, too.
        """
        self.refuse_other_cases()
        super().perform_actual_validation(save_probabilities)
        self.track_validation()

    def refuse_other_cases(self) -> None:
        """Before a validation: the splits or the images may have changed since the training began.

        Raises:
            RuntimeError: They did.
        """
        if self.local_rank == 0:
            splits = Path(self.preprocessed_dataset_folder_base) / SPLITS_FILE
            refuse_other_cases(Path(self.output_folder), self._split_cases(), splits, self.print_to_log_file)

    def do_split(self) -> tuple[list[str], list[str]]:
        """nnU-Net's split; leave-one-out where a dataset has fewer cases than nnU-Net's five folds."""
        if self.fold != "all":
            dataset_class = self.dataset_class or infer_dataset_class(self.preprocessed_dataset_folder)
            keys = dataset_class.get_identifiers(self.preprocessed_dataset_folder)
            # Every rank: the file is written atomically and is the same whoever writes it.
            folds = ensure_splits(self.preprocessed_dataset_folder_base, keys)
            if folds:
                self.print_to_log_file(f"Only {folds} cases: wrote {folds} leave-one-out splits.")
        return super().do_split()

    def on_train_epoch_start(self) -> None:
        """As nnU-Net, and start counting iterations for the schedule."""
        super().on_train_epoch_start()
        self._iteration = 0

    def train_step(self, batch: dict) -> dict:
        """nnU-Net's step, at the learning rate of this iteration."""
        self.advance_schedule()
        return super().train_step(batch)

    def advance_schedule(self) -> None:
        """Set the learning rate for the current iteration and count it."""
        self.lr_scheduler.step(self.current_epoch + self._iteration / self.num_iterations_per_epoch)
        self._iteration += 1

    def on_train_epoch_end(self, train_outputs: list[dict]) -> None:
        """As nnU-Net; an epoch without a single finite loss ends the training.

        Raises:
            RuntimeError: The training has diverged; names the checkpoint to go back to.
        """
        losses = [np.asarray(out["loss"]) for out in train_outputs]
        if losses and not np.isfinite(losses).any():
            raise RuntimeError(
                self.diverged(f"all {len(losses)} losses of epoch {self.current_epoch} are NaN or infinite")
            )
        super().on_train_epoch_end(train_outputs)


def _shared_seed(is_ddp: bool) -> int:
    """A fresh seed; with DDP that of rank 0, which is the one that checkpoints record."""
    drawn = [secrets.randbelow(2**31)]
    if is_ddp:
        dist.broadcast_object_list(drawn, src=0)
    return drawn[0]
