"""What a pretrainer loads: patches of images, with the foreground in place of labels."""

from __future__ import annotations

from typing import Any

from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from nnunet_uad.data.sampling import CentredDataset
from nnunet_uad.data.transforms import ForegroundTransform, with_target, without_intensity
from nnunet_uad.pretrain.continuation import ContinuedPretrainer
from nnunet_uad.pretrain.patches import PatchChoice
from nnunet_uad.pretrain.pretrain_settings import PretrainSettings
from nnunet_uad.pretrain.target import TargetSection


class PatchPretrainer(ContinuedPretrainer):
    """An nnU-Net trainer whose batches are patches of images and their foreground."""

    #: Foreground voxels that a healthy slice must have.
    least_foreground: int = 1
    settings: PretrainSettings
    _trained_on: CentredDataset | None = None

    def get_training_transforms(
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
        before = isinstance(self.settings, TargetSection) and self.settings.before_intensity
        return self._with_ours(kept, use_mask_for_norm, before)

    def get_validation_transforms(
        self,
        deep_supervision_scales: Any,
        is_cascaded: bool = False,
        foreground_labels: Any = None,
        regions: Any = None,
        ignore_label: int | None = None,
    ) -> ComposeTransforms:
        """nnU-Net's validation pipeline; the target is the foreground mask."""
        stock = nnUNetTrainer.get_validation_transforms(None)
        return self._with_ours(stock.transforms, self.configuration_manager.use_mask_for_norm, False)

    def _with_ours(
        self, transforms: list[BasicTransform], use_mask_for_norm: list[bool] | None, before_intensity: bool
    ) -> ComposeTransforms:
        """nnU-Net's transforms between those of this method, with the target where it is another than the image."""
        corrupting = self.corrupting_transforms()
        if corrupting or before_intensity:
            masked = [channel for channel, used in enumerate(use_mask_for_norm or ()) if used]
            transforms = with_target(transforms, masked, corrupting, before_intensity)
        return ComposeTransforms([ForegroundTransform(), *transforms, *self.further_transforms()])

    def corrupting_transforms(self) -> list[BasicTransform]:
        """What a method does in the data loading to images that the network is to restore; the targets stay clean.

        The transforms leave the segmentation as it is; training and validation alike.
        """
        return []

    def further_transforms(self) -> list[BasicTransform]:
        """What a method does to augmented patches in the data loading, training and validation alike."""
        return []

    def get_tr_and_val_datasets(self) -> tuple[CentredDataset, CentredDataset]:
        """nnU-Net's datasets, with patches centred where :class:`PretrainSettings` allows.

        Raises:
            ValueError: No training case offers a patch.
        """
        train, val = super().get_tr_and_val_datasets()
        choice = PatchChoice(
            self.settings.sampling,
            self.least_foreground,
            self.configuration_manager.patch_size,
            self.seed,
            self.print_to_log_file,
        )
        loaded_patch = self.configure_rotation_dummyDA_mirroring_and_inital_patch_size()[2]
        training = choice.training(train, loaded_patch)
        self._trained_on = training
        return training, choice.validation(val, training)

    def training_cases(self) -> tuple[str, ...]:
        """Identifiers of the cases whose patches are trained on.

        A method, since nnU-Net writes all attributes into ``debug.json``, which its export passes on.
        """
        return tuple(self._trained_on.identifiers) if self._trained_on is not None else ()
