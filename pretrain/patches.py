"""Which patches a pretrainer draws: healthy ones where labels are lesions, any where they are not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nnunet_uad.data.sampling import CentredDataset, healthy_patches

#: What a user can do where no training case has a healthy patch.
ADVICE = (
    "So there is nothing healthy to learn from. If the labels are anatomy rather than lesions, ignore them: "
    'nnUNet_uad_settings="sampling=anywhere" nnUNetv2_train …; otherwise add healthy cases or choose a configuration '
    "with a smaller patch (nnunet_uad small-plan)."
)


@dataclass(frozen=True)
class PatchChoice:
    """How patches are chosen.

    Attributes:
        sampling: Kind of patches, ``healthy`` or ``anywhere``.
        least_foreground: Foreground voxels that a healthy slice must have.
        final_patch: Voxels per axis that the network sees.
        seed: Seed of the choice among more than 10,000 centres of a case.
        log: Function that writes a line to the log.
    """

    sampling: str
    least_foreground: int
    final_patch: Sequence[int]
    seed: int
    log: Callable[[str], None]

    def training(self, dataset: Any, loaded_patch: Sequence[int]) -> CentredDataset:
        """The training cases that offer a patch.

        Args:
            dataset: Dataset of nnU-Net.
            loaded_patch: Voxels that nnU-Net's loader cuts out, before spatial augmentation.

        Raises:
            ValueError: None does.
        """
        return self._centred(dataset, loaded_patch, "training", ADVICE)

    def validation(self, dataset: Any, training: CentredDataset) -> CentredDataset:
        """The validation cases that offer a patch; the training's where none does, which is said.

        Args:
            dataset: Dataset of nnU-Net.
            training: Training cases.
        """
        centred = self._centred(dataset, self.final_patch, "validation", None)
        if centred.identifiers:
            return centred
        self.log(
            "WARNING: no validation case has a patch without labelled voxels; the monitored reconstruction quality is "
            "measured on training patches. The final validation is not affected."
        )
        return training

    def _centred(self, dataset: Any, loaded_patch: Sequence[int], kind: str, advice: str | None) -> CentredDataset:
        locations = healthy_patches(
            dataset,
            loaded_patch,
            self.final_patch,
            sampling=self.sampling,
            least_foreground=self.least_foreground,
            seed=self.seed,
            advice=advice,
        )
        centred = CentredDataset(dataset, locations)
        left_out = sorted(set(dataset.identifiers) - set(centred.identifiers))
        self.log(f"Patches are drawn from {len(centred.identifiers)} of {len(dataset.identifiers)} {kind} cases.")
        if left_out:
            self.log(f"Without a patch free of labelled voxels: {', '.join(left_out)}")
        return centred
