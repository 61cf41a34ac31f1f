"""``nnUNetPretrainer``: an nnU-Net trainer whose network returns an image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
import torch.distributed as dist
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from torch import autocast, nn

from nnunet_uad.common.settings import SETTINGS_VARIABLE, settings_to_json
from nnunet_uad.data.centres import foreground_centres, healthy_box_centres, healthy_slice_centres
from nnunet_uad.data.sampling import CentredDataset, find_locations
from nnunet_uad.data.transforms import ForegroundTransform, without_intensity
from nnunet_uad.inference.model_plan import ModelPlan
from nnunet_uad.inference.restorer import Restorer
from nnunet_uad.networks.reconstruction import build_plan_network
from nnunet_uad.pretrain.task import ReconstructionTask
from nnunet_uad.pretrain.validation import write_validation_report
from nnunet_uad.scoring.score_settings import ScoreSettings, channel_weights
from nnunet_uad.training.trainer import TrainSettings, UADTrainer
from nnunet_uad.weights.provenance import installed_versions
from nnunet_uad.weights.record import PretrainRecord
from nnunet_uad.weights.safe_file import FILE_NAME, canonical_tensors, write_pretrained


@dataclass(frozen=True)
class PretrainSettings(ScoreSettings, TrainSettings):
    """Settings of every pretrainer; those of the score can be chosen anew at prediction.

    Attributes:
        sampling: ``healthy`` draws patches without labelled voxels (all patches where there are no labels);
            ``anywhere`` ignores the labels, for labels that are anatomy rather than lesions.
        intensity_augmentation: use nnU-Net's intensity augmentation (noise, blur, brightness, contrast, low
            resolution, gamma) besides its spatial one.
        save_reconstruction: let the final validation also write what was reconstructed.
    """

    sampling: str = "healthy"
    intensity_augmentation: bool = True
    save_reconstruction: bool = False

    def __post_init__(self) -> None:
        ScoreSettings.__post_init__(self)
        TrainSettings.__post_init__(self)
        if self.sampling not in ("healthy", "anywhere"):
            raise ValueError(f"{SETTINGS_VARIABLE}: sampling expects healthy or anywhere, found {self.sampling!r}.")


class nnUNetPretrainer(UADTrainer):
    """Base of all pretrainers; subclasses name a settings class and a task class.

    nnU-Net's data loading, augmentation, AMP, compile, DDP, logging and checkpoints are used as they are. The
    monitored value, where nnU-Net shows its pseudo Dice, is the task's quality: unless a method has another, the
    explained variance (R², at most 1) of the restored validation patches over the voxels that the loss counts.
    """

    #: Foreground voxels that a healthy slice must have.
    least_foreground = 1
    settings_class: type[PretrainSettings] = PretrainSettings
    task_class: type[ReconstructionTask]

    def __init__(
        self,
        plans: dict,
        configuration: str,
        fold: int,
        dataset_json: dict,
        device: torch.device = torch.device("cuda"),  # noqa: B008
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        if self.is_cascaded:
            raise ValueError(
                f"Configuration {configuration!r} is the second stage of a cascade; its network reads "
                "segmentations and cannot be pretrained on images. Pretrain 2d, 3d_fullres or 3d_lowres."
            )
        self.configuration_manager = self.adapt_configuration(self.settings, self.configuration_manager)
        self.enable_deep_supervision = False
        self.oversample_foreground_percent = 1.0
        self.training_cases: tuple[str, ...] = ()
        # The class refuses to build a segmentation network (see below); an instance builds its own.
        self.build_network_architecture = self._build_for_nnunet  # type: ignore[assignment,method-assign]
        self.task = self.make_task(self.settings, self.configuration_manager)
        channel_weights(self.settings.channel_weights, list(dataset_json["channel_names"].values()))

    @classmethod
    def adapt_configuration(cls, settings: PretrainSettings, manager: ConfigurationManager) -> ConfigurationManager:
        """The configuration that is trained with, and restored with; the plan's unless a method needs another."""
        return manager

    @classmethod
    def make_task(cls, settings: PretrainSettings, manager: ConfigurationManager) -> ReconstructionTask:
        """The task of a training with these settings; also what a trained model is restored with."""
        return cls.task_class(
            settings,
            spacing=tuple(manager.spacing),
            patch_size=tuple(manager.patch_size),
            total_stride=tuple(int(s) for s in np.prod(manager.pool_op_kernel_sizes, axis=0)),
        )

    @classmethod
    def make_network(cls, settings: PretrainSettings, manager: ConfigurationManager, channels: int) -> nn.Module:
        """The network that is trained; the plan's own unless a method has another."""
        return build_plan_network(manager, channels, channels)

    @staticmethod
    def restoring(network: nn.Module) -> nn.Module:
        """The part of the trained network that restores: all of it unless a method trains more."""
        return network

    def _build_for_nnunet(
        self,
        plans_manager: PlansManager,
        configuration_manager: ConfigurationManager,
        num_input_channels: int,
        num_output_channels: int,
        enable_deep_supervision: bool = False,
    ) -> nn.Module:
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
            RuntimeError: always, with the commands to use instead.
        """
        raise RuntimeError(
            "This model is a pretrainer: it restores images and has no segmentation to predict. For its anomaly "
            "maps: nnunet_uad predict -i IMAGES -o MAPS -d DATASET -c CONFIGURATION -tr PRETRAINER -f FOLD. For "
            "segmentations fine-tune it first (nnUNetv2_train DATASET CONFIGURATION FOLD -tr "
            "nnUNetTrainerDAEPretrained) and predict with that model (nnUNetv2_predict … -tr "
            "nnUNetTrainerDAEPretrained)."
        )

    # --- data -----------------------------------------------------------------------------------

    def get_training_transforms(  # type: ignore[override]
        self,
        patch_size: Any,
        rotation_for_DA: Any,  # noqa: N803 (nnU-Net passes it by this name)
        deep_supervision_scales: Any,
        mirror_axes: Any,
        do_dummy_2d_data_aug: bool,
        use_mask_for_norm: list[bool] | None = None,
        is_cascaded: bool = False,
        foreground_labels: Any = None,
        regions: Any = None,
        ignore_label: int | None = None,
    ) -> ComposeTransforms:
        """nnU-Net's augmentation; the target is the foreground mask instead of the labels."""
        stock = nnUNetTrainer.get_training_transforms(
            patch_size, rotation_for_DA, None, mirror_axes, do_dummy_2d_data_aug, use_mask_for_norm
        )
        kept = stock.transforms if self.settings.intensity_augmentation else without_intensity(stock.transforms)
        return ComposeTransforms([ForegroundTransform(), *kept, *self.further_transforms()])

    def get_validation_transforms(  # type: ignore[override]
        self,
        deep_supervision_scales: Any,
        is_cascaded: bool = False,
        foreground_labels: Any = None,
        regions: Any = None,
        ignore_label: int | None = None,
    ) -> ComposeTransforms:
        """nnU-Net's validation pipeline; the target is the foreground mask."""
        stock = nnUNetTrainer.get_validation_transforms(None)
        return ComposeTransforms([ForegroundTransform(), *stock.transforms, *self.further_transforms()])

    def further_transforms(self) -> list[BasicTransform]:
        """What a method does to augmented patches in the data loading, training and validation alike."""
        return []

    def get_tr_and_val_datasets(self) -> tuple[CentredDataset, CentredDataset]:
        """nnU-Net's datasets, with patches centred where :class:`PretrainSettings` allows.

        Raises:
            ValueError: no training case offers a patch.
        """
        train, val = super().get_tr_and_val_datasets()
        initial_patch = self.configure_rotation_dummyDA_mirroring_and_inital_patch_size()[2]
        centred = self._centred(train, initial_patch)
        if not centred.identifiers:
            raise ValueError(
                f"None of the {len(train.identifiers)} training cases has a "
                f"{'slice' if len(initial_patch) == 2 else f'patch of {tuple(initial_patch)} voxels'} without "
                f"labelled voxels{self._room_in_words()}, so there is nothing healthy to learn from. If the labels are "
                "anatomy rather "
                f'than lesions, ignore them: {SETTINGS_VARIABLE}="sampling=anywhere" nnUNetv2_train …; '
                "otherwise add healthy cases or choose a configuration with a smaller patch "
                "(nnunet_uad small-plan)."
            )
        self._log_left_out("training", train.identifiers, centred.identifiers)
        self.training_cases = tuple(centred.identifiers)
        centred_val = self._centred(val, self.configuration_manager.patch_size)
        self._log_left_out("validation", val.identifiers, centred_val.identifiers)
        if not centred_val.identifiers:
            self.print_to_log_file(
                "WARNING: no validation case has a patch without labelled voxels; the monitored reconstruction "
                "quality is measured on training patches. The final validation is not affected."
            )
            centred_val = centred
        return centred, centred_val

    def _room_in_words(self) -> str:
        least = self.least_foreground
        return f" and with at least {least} foreground voxels" if least > 1 else ""

    def _centred(self, dataset: Any, patch_size: Any) -> CentredDataset:
        final_patch = self.configuration_manager.patch_size

        def allowed(seg: np.ndarray) -> np.ndarray:
            if self.settings.sampling == "anywhere":
                return foreground_centres(seg)
            if len(final_patch) == 2:
                return healthy_slice_centres(seg, self.least_foreground)
            return healthy_box_centres(seg, patch_size, final_patch)

        return CentredDataset(dataset, find_locations(dataset, allowed, self.seed))

    def _log_left_out(self, kind: str, before: list[str], after: list[str]) -> None:
        left_out = sorted(set(before) - set(after))
        self.print_to_log_file(f"Patches are drawn from {len(after)} of {len(before)} {kind} cases.")
        if left_out:
            self.print_to_log_file(f"Without a patch free of labelled voxels: {', '.join(left_out)}")

    # --- training -------------------------------------------------------------------------------

    def _build_loss(self) -> None:
        """The task owns the loss."""

    def set_deep_supervision_enabled(self, enabled: bool) -> None:
        """A reconstructor has a single output."""

    def _forward(self, batch: dict) -> dict[str, torch.Tensor]:
        clean = batch["data"].to(self.device, non_blocking=True)
        foreground = batch["target"].to(self.device, non_blocking=True) > 0
        with autocast(self.device.type, enabled=self.device.type == "cuda"):
            return {**self.task.forward(self.network, clean, foreground), "clean": clean}

    def train_step(self, batch: dict) -> dict:
        """One optimiser step; losses stay on the device, so the host does not wait for them."""
        self.task.progress = (self.current_epoch + self._iteration / self.num_iterations_per_epoch) / self.num_epochs
        self.advance_schedule()
        self.optimizer.zero_grad(set_to_none=True)
        result = self._forward(batch)
        loss = result["loss"]
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
        return {"loss": loss.detach(), "parts": result.get("parts", {})}

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
            for concern in self.task.concerns(means):
                self.print_to_log_file(f"WARNING: {concern}")

    def validation_step(self, batch: dict) -> dict:
        """Loss and sums for the monitored quality, on the device."""
        result = self._forward(batch)
        sums = self.task.quality_sums(result, result["clean"])
        return {"sums": torch.cat([result["loss"].float()[None], sums.float()])}

    def on_validation_epoch_end(self, val_outputs: list[dict]) -> None:
        """Log the loss, and the task's quality in place of nnU-Net's pseudo Dice."""
        sums = torch.stack([out["sums"] for out in val_outputs]).sum(0)
        count = torch.tensor([float(len(val_outputs))], device=sums.device)
        sums = torch.cat([sums, count])
        if self.is_ddp:
            dist.all_reduce(sums)
        loss, first, second, steps = sums.tolist()
        quality = self.task.quality(first, second)
        self.logger.log("mean_fg_dice", quality, self.current_epoch)
        self.logger.log("dice_per_class_or_region", [quality], self.current_epoch)
        self.logger.log("val_losses", loss / steps, self.current_epoch)

    # --- files ----------------------------------------------------------------------------------

    def record(self) -> PretrainRecord:
        """What stage two will know about these weights."""
        manager = self.configuration_manager
        return PretrainRecord(
            method=self.task.method,
            trainer=type(self).__name__,
            dataset=self.plans_manager.dataset_name,
            plans=self.plans_manager.plans_name,
            configuration=self.configuration_name,
            fold=str(self.fold),
            cases=self.training_cases,
            channel_names=tuple(self.dataset_json["channel_names"].values()),
            normalization=tuple(manager.normalization_schemes),
            spacing=tuple(float(s) for s in manager.spacing),
            patch_size=tuple(int(p) for p in manager.patch_size),
            architecture=manager.network_arch_class_name,
            architecture_kwargs=dict(manager.network_arch_init_kwargs),
            architecture_requires_import=tuple(manager.network_arch_init_kwargs_req_import),
            num_epochs=self.num_epochs,
            epochs_trained=self.current_epoch + 1,
            iterations_per_epoch=self.num_iterations_per_epoch,
            seed=self.seed,
            settings=settings_to_json(self.settings),
            citation=self.task.citation,
            restorer=self.task.describe(manager, len(self.dataset_json["channel_names"])),
            versions=installed_versions(),
        )

    def save_checkpoint(self, filename: str) -> None:
        """nnU-Net's checkpoint, and the newest weights as ``pretrained.safetensors`` beside it."""
        super().save_checkpoint(filename)
        if self.local_rank == 0 and not self.disable_checkpointing:
            target = Path(self.output_folder) / FILE_NAME
            write_pretrained(target, canonical_tensors(self.restoring(self.bare_network)), self.record())

    def restorer(self) -> Restorer:
        """The network as it is now, ready to restore."""
        return Restorer(
            networks=[self.restoring(self.bare_network)],
            task=self.task,
            model=ModelPlan(self.plans_manager, self.configuration_manager, self.dataset_json),
            mirror_axes=self.inference_allowed_mirroring_axes,
            device=self.device,
            seed=self.seed,
        )

    def perform_actual_validation(self, save_probabilities: bool = False) -> None:
        """Write anomaly maps of the validation cases in their original geometry, metrics and thresholds."""
        self.network.eval()
        summary = write_validation_report(self)
        if summary:
            for name, value in summary["mean"].items():
                self.logger.log_summary(f"final_val/{name}", value)
            self.print_to_log_file("Validation complete")
            self.print_to_log_file(f"Mean over the validation cases: {summary['mean']}")
            for name, entry in summary["anomaly"].items():
                self.print_to_log_file(f"{name}: {entry}")
