"""What nnU-Net planned for a model: its plans, one configuration of them, and the dataset they were made for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager

from nnunet_uad.common.nnunet import channel_names
from nnunet_uad.scoring.geometry import to_original_geometry


@dataclass(frozen=True)
class ModelPlan:
    """How a model's images are preprocessed, cut into tiles and brought back; travels to worker processes.

    Attributes:
        plans: Plans of the model.
        configuration: Configuration that the model was trained with.
        dataset: Content of the ``dataset.json`` that the model was trained on.

    Example:
        >>> import json
        >>> from pathlib import Path
        >>> folder = Path("nnUNet_results/Dataset901_Tumour/nnUNetPretrainerDAE__nnUNetPlans__2d")
        >>> plans = PlansManager(str(folder / "plans.json"))
        >>> dataset = json.loads((folder / "dataset.json").read_text())
        >>> ModelPlan(plans, plans.get_configuration("2d"), dataset).channel_names
        ('FLAIR', 'T1')
    """

    plans: PlansManager
    configuration: ConfigurationManager
    dataset: dict[str, Any]

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Names of the input channels, in their order."""
        return channel_names(self.dataset)

    @property
    def file_ending(self) -> str:
        """Ending of the dataset's files, for example ``.nii.gz``."""
        return self.dataset["file_ending"]

    @property
    def axes(self) -> int:
        """Spatial axes of a tile: 2 or 3."""
        return len(self.configuration.patch_size)

    def spacing_of(self, properties: dict[str, Any]) -> tuple[float, ...]:
        """Spacing of a preprocessed volume; a 2D plan keeps the distance of the slices.

        Args:
            properties: Mapping that nnU-Net stored when it preprocessed the case.

        Returns:
            Spacing (z, y, x) in mm; axes of a single slice (natural images carry 999 mm there) get 1.
        """
        spacing = [float(s) for s in self.configuration.spacing]
        original = [float(properties["spacing"][i]) for i in self.plans.transpose_forward]
        full = [*original[: len(original) - len(spacing)], *spacing]
        single = properties["shape_after_cropping_and_before_resampling"]
        return tuple(1.0 if n == 1 else s for s, n in zip(full, single, strict=True))

    def original_geometry(self, volume: np.ndarray, properties: dict[str, Any]) -> np.ndarray:
        """A volume on the preprocessed grid → on the grid of the raw image.

        Args:
            volume: Real-valued volume (C, z, y, x) on the preprocessed grid.
            properties: Mapping that nnU-Net stored when it preprocessed the case.

        Returns:
            Volume (C, z, y, x) on the raw grid; 0 outside the region that nnU-Net had cropped to.
        """
        return to_original_geometry(volume, properties, self.plans, self.configuration)
