"""Segmentation with diffusion residuals, trained on synthetic anomalies and annotated cases (Behrendt et al., 2024)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from batchgeneratorsv2.transforms.utils.remove_label import RemoveLabelTansform
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from nnunet_uad.anomalies.anomaly_settings import AnomalySettings
from nnunet_uad.anomalies.mixing import HEALTHY_MARKER, MixedDataset
from nnunet_uad.anomalies.transforms import RandomAnomalyTransform
from nnunet_uad.common.bounds import Bounds, PositiveShare
from nnunet_uad.common.nnunet import channel_names
from nnunet_uad.data.centres import LEAST_EDGE
from nnunet_uad.trainers.fine_tune_settings import FineTuneSettings
from nnunet_uad.trainers.mixed_samples import MixedSamples, with_transform
from nnunet_uad.trainers.residual import ResidualSection, nnUNetTrainerResidual

#: What a user can do where no training case has a healthy patch that is large enough.
ADVICE = (
    f"A synthetic lesion needs at least {LEAST_EDGE} voxels per axis in the foreground. Add cases without labels "
    "(nnunet_uad preprocess) or choose a configuration with a smaller patch (nnunet_uad small-plan)."
)


@dataclass(frozen=True)
class SyntheticResidualSettings(AnomalySettings, ResidualSection, FineTuneSettings):
    """Settings of training on annotated cases and synthetic anomalies.

    Attributes:
        synthetic_share: Share of a batch's samples that are healthy patches with synthetic anomalies; 1: annotated
            cases are only used to know which patches are healthy.
        synthetic_label: Class of the synthetic anomalies; 0: the lowest foreground label.
    """

    synthetic_share: PositiveShare = 0.5
    synthetic_label: Annotated[int, Bounds(0, 65535)] = 0


class nnUNetTrainerDiffusionResidualSynthetic(MixedSamples, nnUNetTrainerResidual):
    """Diffusion residuals; every batch mixes annotated patches with synthetic anomalies in healthy ones.

    Healthy patches come from the training cases of the fold, those without labels (``nnunet_uad preprocess``)
    included: there every patch counts as healthy. A synthetic anomaly teaches what an anomaly is, not of which kind:
    with several classes it gets ``synthetic_label``.
    """

    restorer_pretrainer = "nnUNetPretrainerDDPM"
    settings_class = SyntheticResidualSettings
    settings: SyntheticResidualSettings

    def get_tr_and_val_datasets(self) -> tuple[Any, Any]:
        """nnU-Net's datasets; the training set also offers healthy patches.

        Raises:
            ValueError: No healthy patch is large enough for a lesion.
        """
        annotated, val = super().get_tr_and_val_datasets()
        cases = self.all_training_cases()
        least = LEAST_EDGE ** len(self.configuration_manager.patch_size)
        healthy = self.patches_to_change(cases, least_foreground=least, advice=ADVICE)
        self.print_to_log_file(
            f"Synthetic anomalies ({self.settings.anomalies}) in {self.settings.synthetic_share:.0%} of the samples, "
            f"in healthy patches of {len(healthy.locations)} of {len(cases.identifiers)} cases; annotated: "
            f"{len(annotated.identifiers)} case(s)."
        )
        return MixedDataset(annotated, healthy, self.settings.synthetic_share), val

    def get_training_transforms(self, *arguments: Any, **options: Any) -> ComposeTransforms:
        """nnU-Net's augmentation, and anomalies where a patch is marked as healthy."""
        # Right after nnU-Net's removal of label −1: what follows makes regions and scales of the finished labels.
        stock = nnUNetTrainer.get_training_transforms(*arguments, **options)
        return with_transform(stock, self._anomalies(), RemoveLabelTansform)

    def _anomalies(self) -> BasicTransform:
        manager = self.label_manager
        labels = [label for label in manager.all_labels if label not in (0, manager.ignore_label)]
        label = self.settings.synthetic_label or min(labels)
        if label not in labels:
            raise ValueError(
                f"{self.settings_source}: synthetic_label={label} is no class of this dataset, which has "
                f"{', '.join(map(str, labels))}."
            )
        names, spacing = channel_names(self.dataset_json), self.configuration_manager.spacing
        return RandomAnomalyTransform(self.settings, spacing, names, marker=HEALTHY_MARKER, label=label)
