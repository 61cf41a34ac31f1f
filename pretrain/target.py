"""What a reconstruction is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from nnunet_uad.common.settings import Settings, check_choices

AUGMENTED, BEFORE_INTENSITY = "augmented", "before_intensity"


@dataclass(frozen=True)
class TargetSection(Settings):
    """Settings of what a reconstruction is compared with.

    Attributes:
        target: Patch that is to be reconstructed: ``augmented``, as it was before the method corrupted it;
            ``before_intensity``, as it was before nnU-Net's intensity augmentation, too, which the network then learns
            to undo.
    """

    before: ClassVar[dict[str, Any]] = {"target": AUGMENTED}

    target: str = AUGMENTED

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choices(self, {"target": (AUGMENTED, BEFORE_INTENSITY)})
        if self.before_intensity and not getattr(self, "intensity_augmentation", True):
            raise ValueError(
                f"target={BEFORE_INTENSITY} undoes the intensity augmentation, which intensity_augmentation=false "
                "switches off: leave one of them out."
            )

    @property
    def before_intensity(self) -> bool:
        """Whether the intensity augmentation is undone."""
        return self.target == BEFORE_INTENSITY
