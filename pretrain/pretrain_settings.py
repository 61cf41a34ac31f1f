"""Settings that every pretrainer has."""

from __future__ import annotations

from dataclasses import dataclass

from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager

from nnunet_uad.networks.recipe import PlanRecipe, Recipe
from nnunet_uad.pretrain.continuation import ContinuationSection
from nnunet_uad.pretrain.record import RecordSection
from nnunet_uad.scoring.score_settings import ScoreSettings
from nnunet_uad.training.trainer import TrainSettings

SAMPLINGS = ("healthy", "anywhere")


@dataclass(frozen=True)
class PretrainSettings(ContinuationSection, RecordSection, ScoreSettings, TrainSettings):
    """Settings of every pretrainer; those of the score can be chosen anew at prediction.

    Attributes:
        sampling: Kind of patches: ``healthy`` draws patches without labelled voxels (all patches where there are no
            labels); ``anywhere`` ignores the labels, for labels that are anatomy rather than lesions.
        intensity_augmentation: Whether nnU-Net's intensity augmentation (noise, blur, brightness, contrast, low
            resolution, gamma) is used besides its spatial one.
        save_reconstruction: Whether the final validation also writes the reconstructions.
    """

    sampling: str = "healthy"
    intensity_augmentation: bool = True
    save_reconstruction: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sampling not in SAMPLINGS:
            raise ValueError(f"sampling expects healthy or anywhere, found {self.sampling!r}.")

    def recipe(self, manager: ConfigurationManager, channels: int) -> Recipe:
        """The network that reconstructs, sized from the plan; the plan's own unless a method has another.

        Args:
            manager: Configuration of the plan.
            channels: Number of channels of the image.
        """
        return PlanRecipe.of(manager, channels)
