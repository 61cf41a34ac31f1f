"""``nnUNetPretrainer``: an nnU-Net trainer that learns from images alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar, cast

import torch
import torch.distributed as dist
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from torch import autocast, nn

from nnunet_uad.common.nnunet import channel_names
from nnunet_uad.common.precision import OFF
from nnunet_uad.common.settings import settings_from
from nnunet_uad.data.background import background_warning
from nnunet_uad.inference.model_plan import ModelPlan
from nnunet_uad.inference.restorer import Restorer
from nnunet_uad.pretrain.loading import PatchPretrainer
from nnunet_uad.pretrain.pretrain_settings import PretrainSettings
from nnunet_uad.pretrain.record import make_record
from nnunet_uad.pretrain.task import Geometry, PretrainTask, ReconstructionTask, StepResult, check_task
from nnunet_uad.pretrain.validation import ValidationRun, write_no_report, write_validation_report
from nnunet_uad.restoration.frozen import can_rebuild, describe_restorer
from nnunet_uad.scoring.score_settings import channel_weights
from nnunet_uad.scoring.standardised import refuse_without_draws
from nnunet_uad.training.cascade import refuse_second_stage
from nnunet_uad.training.checkpoints import own_fold
from nnunet_uad.weights.record import PretrainRecord
from nnunet_uad.weights.safe_file import FILE_NAME, canonical_tensors, write_pretrained

S = TypeVar("S", bound=PretrainSettings)
T = TypeVar("T", bound=PretrainTask)


class nnUNetPretrainer(PatchPretrainer, Generic[S, T]):
    """Base of all pretrainers; subclasses name a settings class and a task class.

    nnU-Net's data loading, augmentation, AMP, compile, DDP, logging and checkpoints are used as they are. The
    monitored value, where nnU-Net shows its pseudo Dice, is the task's quality: for reconstruction the explained
    variance (R², at most 1) of the validation patches over the voxels that the loss counts. A method whose task has a
    restoration ends with anomaly maps of the validation cases.
    """

    settings: S
    settings_class: type[S]
    task_class: type[T]
    # Set by nnU-Net, whose types mypy cannot see through.
    configuration_manager: ConfigurationManager

    def __init__(
        self,
        plans: dict,
        configuration: str,
        fold: int,
        dataset_json: dict,
        device: torch.device = torch.device("cuda"),  # noqa: B008
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.configuration_manager = self.adapt_configuration(self.settings, self.configuration_manager)
        self.initial_lr *= self.first_rate
        self.enable_deep_supervision = False
        self.oversample_foreground_percent = 1.0
        # The class refuses to build a segmentation network (see below); an instance builds its own.
        self.build_network_architecture = self._build_for_nnunet  # type: ignore[method-assign]
        self.channel_names = channel_names(dataset_json)
        with settings_from(self.settings_source):
            self.task = self.make_task(self.settings, self.configuration_manager)
            channel_weights(self.settings.channel_weights, self.channel_names)
        self.method = self.task.method
        check_task(self.task, type(self).__name__)
        restoration = self.task.restoration
        with settings_from(self.settings_source):
            refuse_without_draws(self.settings, restoration is not None and restoration.drawing is not None)

    @classmethod
    def check_configuration(cls, plans: dict, configuration: str, fold: int | str) -> None:
        """As its base; the second stage of a cascade has nothing to pretrain.

        Raises:
            ValueError: The configuration is one; names those that can be pretrained.
        """
        super().check_configuration(plans, configuration, fold)
        why = "its network reads segmentations and cannot be pretrained on images"
        refuse_second_stage(plans, configuration, fold, why, [cls.__name__])

    @classmethod
    def adapt_configuration(cls, settings: S, manager: ConfigurationManager) -> ConfigurationManager:
        """The configuration to train and reconstruct with; the plan's unless a method needs another."""
        return manager

    @classmethod
    def make_task(cls, settings: S, manager: ConfigurationManager) -> T:
        """The task of a training with these settings; its restoration is also what a trained model is used with."""
        return cls.task_class(settings, Geometry.of(manager))

    @classmethod
    def make_network(cls, settings: S, manager: ConfigurationManager, channels: int) -> nn.Module:
        """The network that is trained: what the settings' recipe builds, unless a method trains more."""
        return settings.recipe(manager, channels).build()

    @staticmethod
    def restoring(network: nn.Module) -> nn.Module:
        """The part of the trained network that is kept: all of it unless a method trains more."""
        return network

    def description(self) -> dict[str, Any]:
        """How stage two rebuilds network and restoration; empty where it could not, or nothing is reconstructed."""
        restoration = self.task.restoration
        if restoration is None or not restoration.reconstructs:
            return {}
        recipe = self.settings.recipe(self.configuration_manager, len(self.channel_names))
        return describe_restorer(recipe, restoration) if can_rebuild(recipe, restoration) else {}

    def _build_for_nnunet(
        self,
        plans_manager: PlansManager,
        configuration_manager: ConfigurationManager,
        num_input_channels: int,
        num_output_channels: int,
        enable_deep_supervision: bool = False,
    ) -> nn.Module:
        with settings_from(self.settings_source):
            return self.make_network(self.settings, configuration_manager, num_input_channels)

    @staticmethod
    def build_network_architecture(
        plans_manager: PlansManager,
        configuration_manager: ConfigurationManager,
        num_input_channels: int,
        num_output_channels: int,
        enable_deep_supervision: bool = True,
    ) -> NoReturn:
        """Refuse: nnU-Net calls this on the class only to predict, and a pretrainer has nothing to segment.

        Raises:
            RuntimeError: Always, with the commands to use instead.
        """
        raise RuntimeError(
            "This model is a pretrainer: it learned from images alone and has no segmentation to predict. For its "
            "anomaly maps: nnunet_uad predict -i IMAGES -o MAPS -d DATASET -c CONFIGURATION -tr PRETRAINER -f FOLD. "
            "For segmentations fine-tune it first (nnUNetv2_train DATASET CONFIGURATION FOLD -tr "
            "nnUNetTrainerDAEPretrained) and predict with that model (nnUNetv2_predict … -tr "
            "nnUNetTrainerDAEPretrained)."
        )

    # --- training -------------------------------------------------------------------------------

    def before_training(self) -> None:
        """As every trainer, and say where the background counts as foreground.

        Raises:
            ValueError: The score is to be made of what the method does not offer.
        """
        super().before_training()
        restorer = self.restorer()
        if restorer is not None:
            with settings_from(self.settings_source):
                restorer.source(self.settings)
        if self.current_epoch == 0 and self.local_rank == 0:
            cases = self.do_split()[0]
            warning = background_warning(self.dataset_class(self.preprocessed_dataset_folder, [*cases]), cases)
            if warning:
                self.print_to_log_file(warning)

    def _build_loss(self) -> None:
        """The task owns the loss."""

    def set_deep_supervision_enabled(self, enabled: bool) -> None:
        """A pretrainer's network has a single output."""

    def _step(self, batch: dict) -> tuple[StepResult, torch.Tensor]:
        """What the task makes of a batch, and the images (B, C, *spatial) that it is to reconstruct."""
        data = batch["data"].to(self.device, non_blocking=True)
        # Where a method asks for it, the target of its loss is appended (_with_ours).
        image, *target = data.split(len(self.channel_names), dim=1)
        foreground = batch["target"].to(self.device, non_blocking=True) > 0
        # On CPUs the network alone computes in 16 bits, if at all (UADTrainer.initialize).
        with autocast(self.device.type, enabled=self.device.type == "cuda" and self.settings.amp != OFF):
            if target:
                task = cast("ReconstructionTask", self.task)
                return task.step_towards(target[0], self.network, image, foreground), target[0]
            return self.task.step(self.network, image, foreground), image

    def train_step(self, batch: dict) -> dict:
        """One optimiser step; losses stay on the device, so the host does not wait for them."""
        self.task.progress = (self.current_epoch + self._iteration / self.num_iterations_per_epoch) / self.num_epochs
        self.advance_schedule()
        self.optimizer.zero_grad(set_to_none=True)
        result, _ = self._step(batch)
        loss = result.loss
        if self.grad_scaler is not None:
            self.grad_scaler.scale(loss).backward()
            self.grad_scaler.unscale_(self.optimizer)
            self._clip_gradients()
            self.grad_scaler.step(self.optimizer)
            self.grad_scaler.update()
        else:
            loss.backward()
            self._clip_gradients()
            self.optimizer.step()
        self.after_step()
        return {"loss": loss.detach(), "parts": result.parts}

    def _clip_gradients(self) -> None:
        """As nnU-Net; every group of its own, so that networks with different losses do not scale each other."""
        for group in self.optimizer.param_groups:
            torch.nn.utils.clip_grad_norm_(group["params"], 12)

    def after_step(self) -> None:
        """What follows every optimiser step; nothing unless a method needs it."""

    def on_train_epoch_end(self, train_outputs: list[dict]) -> None:
        """Fetch all losses of the epoch at once and log their mean, and what the task says of its parts."""
        losses = torch.stack([out["loss"] for out in train_outputs])
        super().on_train_epoch_end([{"loss": loss} for loss in losses.cpu().numpy()])
        names = list(train_outputs[0]["parts"])
        if names:
            stacked = torch.stack([torch.stack([out["parts"][n] for n in names]) for out in train_outputs])
            means = dict(zip(names, stacked.float().mean(0).tolist(), strict=True))
            self.print_to_log_file(", ".join(f"{name} {value:.4g}" for name, value in means.items()))
            for name, value in means.items():
                self.log_further(f"parts/{name}", value)
            for concern in self.task.concerns(means):
                self.print_to_log_file(f"WARNING: {concern}")

    def validation_step(self, batch: dict) -> dict:
        """Loss and sums for the monitored quality, on the device."""
        result, wanted = self._step(batch)
        sums = self.task.quality_sums(result, wanted)
        return {"sums": torch.cat([result.loss.float()[None], sums.float()])}

    def on_validation_epoch_end(self, val_outputs: list[dict]) -> None:
        """Log the loss, and the task's quality in place of nnU-Net's pseudo Dice."""
        sums = torch.stack([out["sums"] for out in val_outputs]).sum(0)
        sums = torch.cat([sums, sums.new_full((1,), float(len(val_outputs)))])
        if self.is_ddp:
            dist.all_reduce(sums)
        loss, first, second, steps = sums.tolist()
        quality = self.task.quality(first, second)
        self.logger.log("mean_fg_dice", quality, self.current_epoch)
        self.logger.log("dice_per_class_or_region", [quality], self.current_epoch)
        self.logger.log("val_losses", loss / steps, self.current_epoch)
        self.log_further(self.task.quality_name, quality)

    # --- files ----------------------------------------------------------------------------------

    def record(self) -> PretrainRecord:
        """What stage two will know about these weights."""
        return make_record(
            self.task,
            ModelPlan(self.plans_manager, self.configuration_manager, self.dataset_json),
            trainer=type(self).__name__,
            configuration=self.configuration_name,
            fold=str(self.fold),
            cases=self.training_cases(),
            contents={c: self.cases.train.get(c, ()) for c in self.training_cases()} if self.cases else {},
            epochs=(self.current_epoch + 1, self.num_epochs, self.num_iterations_per_epoch),
            seed=self.seed,
            settings=self.stored_settings(),
            restorer=self.description(),
            bases=self.bases,
            keep_names=self.settings.keep_names,
        )

    def save_checkpoint(self, filename: str) -> None:
        """The newest weights as ``pretrained.safetensors``, and nnU-Net's checkpoint beside it."""
        self.refuse_spoilt_weights()
        # The weights first: where there is a final checkpoint, a training that was killed does not go on.
        if self.local_rank == 0 and not self.disable_checkpointing:
            target = Path(self.output_folder) / FILE_NAME
            write_pretrained(target, canonical_tensors(self.restoring(self.bare_network)), self.record())
        super().save_checkpoint(filename)

    def restorer(self) -> Restorer | None:
        """The network as it is now, ready to reconstruct or score images; ``None`` for a method that does neither."""
        if self.task.restoration is None:
            return None
        return Restorer(
            networks=[self.restoring(self.bare_network)],
            restoration=self.task.restoration,
            model=ModelPlan(self.plans_manager, self.configuration_manager, self.dataset_json),
            mirror_axes=self.inference_allowed_mirroring_axes,
            device=self.device,
            seed=self.seed,
            settings=self.settings,
            amp=self.settings.amp,
        )

    def perform_actual_validation(self, save_probabilities: bool = False) -> None:
        """Write anomaly maps of the validation cases in their original geometry, metrics and thresholds."""
        self.refuse_other_cases()
        # Ranks write side by side.
        with own_fold(self.output_folder, is_writer=not self.is_ddp):
            self._validate()
        self.track_validation()

    def _validate(self) -> None:
        self.network.eval()
        restorer, folder = self.restorer(), Path(self.output_folder)
        if restorer is None:
            if self.local_rank == 0:
                write_no_report(folder, type(self).__name__)
            self.print_to_log_file("Validation complete: this method reconstructs nothing, so there are no maps.")
            return
        rank, ranks = (self.local_rank, dist.get_world_size()) if self.is_ddp else (0, 1)
        cases = self.do_split()[1]
        run = ValidationRun(
            folder=folder,
            dataset=self.dataset_class(self.preprocessed_dataset_folder, list(cases[rank::ranks])),
            preprocessed=Path(self.preprocessed_dataset_folder_base),
            restorer=restorer,
            score=self.settings,
            labels_are_lesions=self.settings.sampling == "healthy",
            save_reconstruction=self.settings.save_reconstruction,
            label_manager=self.label_manager,
            least_cases=len(cases) // ranks,
            rank=rank,
            ranks=ranks,
            log=self.print_to_log_file,
        )
        summary = write_validation_report(run)
        if summary:
            for name, value in summary["mean"].items():
                self.logger.log_summary(f"final_val/{name}", value)
            self.print_to_log_file("Validation complete")
            self.print_to_log_file(f"Mean over the validation cases: {summary['mean']}")
            for name, entry in summary["anomaly"].items():
                self.logger.log_summary(f"final_val/{name}", entry)
                self.print_to_log_file(f"{name}: {entry}")
