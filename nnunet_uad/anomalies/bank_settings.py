"""Settings of the lesion bank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from nnunet_uad.common.bounds import ASCENDING, Bounds, PositiveShare
from nnunet_uad.common.settings import Settings, check_choices

#: How a lesion gets into the image: its gradients, its intensities with a soft edge, or as it was cut out.
BLENDS = ("poisson", "soft", "cut")
#: Whose images get lesions: the annotated training cases, those that nobody labelled, or both.
HOSTS = ("training", "unlabelled", "both")
#: What is held of the rest of an image that nobody labelled.
UNLABELLED = ("unknown", "healthy")

_Scale = Annotated[float, Bounds(0.1, 10)]


@dataclass(frozen=True)
class LesionBankSection(Settings):
    """Settings of the lesion bank.

    Attributes:
        bank_share: Share of a batch's samples that get a lesion of the bank.
        bank_hosts: Images that get them: ``training`` cases, ``unlabelled`` cases of the cohort, ``both`` (half of the
            share each).
        bank_unlabelled: Meaning of the rest of an unlabelled image: ``unknown`` leaves it out of the loss beyond the
            surroundings of the lesion, ``healthy`` teaches that it is background.
        bank_blend: Kind of blend: ``poisson`` (the lesion's gradients with a soft edge), ``soft`` (its intensities with
            a soft edge), ``cut`` (its intensities, edge and all).
        bank_matched: Whether ``soft`` and ``cut`` differ from their new surroundings as much as they did from the old
            ones; false: the intensities as they were. ``poisson`` always fits.
        bank_mirrored: Whether lesions are mirrored at random, each axis as often as not.
        bank_scale: Range of the factor by which a lesion is made larger or smaller.
    """

    bank_share: PositiveShare = 0.5
    bank_hosts: str = "training"
    bank_unlabelled: str = "unknown"
    bank_blend: str = "poisson"
    bank_matched: bool = True
    bank_mirrored: bool = True
    bank_scale: Annotated[tuple[_Scale, _Scale], ASCENDING] = (0.7, 1.4)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choices(self, {"bank_hosts": HOSTS, "bank_unlabelled": UNLABELLED, "bank_blend": BLENDS})

    @property
    def shares(self) -> tuple[float, float]:
        """Share of the samples that are unlabelled hosts, and share of the annotated ones that get a lesion."""
        unlabelled = {"training": 0.0, "unlabelled": self.bank_share, "both": self.bank_share / 2}[self.bank_hosts]
        left = self.bank_share - unlabelled
        return unlabelled, left / (1 - unlabelled) if left else 0.0
