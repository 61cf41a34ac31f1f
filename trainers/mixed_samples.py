"""What trainers share that add samples with synthetic lesions to those that nnU-Net draws."""

from __future__ import annotations

from typing import Any

from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms

from nnunet_uad.anomalies.mixing import HealthyPatches
from nnunet_uad.data.sampling import healthy_patches
from nnunet_uad.trainers.base import FineTuneTrainer


class MixedSamples(FineTuneTrainer):
    """Part of a trainer of stage two whose batches also hold patches that a transform will change."""

    def all_training_cases(self) -> Any:
        """Dataset of all training cases of the split, also of those without labels, which are not trained on."""
        return self.dataset_class(self.preprocessed_dataset_folder, super(FineTuneTrainer, self).do_split()[0])

    def patches_to_change(
        self, source: Any, *, sampling: str = "healthy", least_foreground: int = 1, advice: str
    ) -> HealthyPatches:
        """Patches of cases whose background carries the marker.

        Args:
            source: Dataset of nnU-Net with the cases.
            sampling: ``healthy`` for patches without labelled voxels, ``anywhere`` for any.
            least_foreground: Voxels in the nonzero region that a healthy slice must have.
            advice: Sentences for whom no case has such a patch.

        Raises:
            ValueError: None has.
        """
        patch = self.configure_rotation_dummyDA_mirroring_and_inital_patch_size()[2]
        locations = healthy_patches(
            source,
            patch,
            self.configuration_manager.patch_size,
            sampling=sampling,
            least_foreground=least_foreground,
            seed=self.seed,
            advice=advice,
        )
        manager = self.label_manager
        key = (-1, *manager.all_labels) if manager.has_ignore_label else None
        return HealthyPatches(source, locations, patch, key)


def with_transform(stock: ComposeTransforms, added: BasicTransform, *behind: type[BasicTransform]) -> ComposeTransforms:
    """nnU-Net's augmentation with one more transform.

    Args:
        stock: Transforms of nnU-Net.
        added: Transform to put in.
        behind: Kinds of transforms of which it follows the last.
    """
    place = 1 + max(i for i, t in enumerate(stock.transforms) if isinstance(t, behind))
    return ComposeTransforms([*stock.transforms[:place], added, *stock.transforms[place:]])
