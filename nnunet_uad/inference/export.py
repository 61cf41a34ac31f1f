"""What is written of a restored case: maps, reconstructions, residuals, masks and montages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager

from nnunet_uad.inference.case import RestoredCase
from nnunet_uad.inference.montage import write_montage
from nnunet_uad.scoring.geometry import is_natural_image, map_ending, to_original_geometry, write_volume
from nnunet_uad.scoring.score import anomaly_mask
from nnunet_uad.scoring.score_settings import ScoreSettings, main_channel

KINDS = ("map", "reconstruction", "residual", "mask", "png")


@dataclass(frozen=True)
class Exporter:
    """Writes restored cases into a folder; whole files only.

    Attributes:
        folder: where to.
        kinds: which of ``map``, ``reconstruction``, ``residual``, ``mask``, ``png``.
        plans_manager: of the model.
        configuration_manager: of the model.
        dataset_json: of the model.
        settings: of the score.
        threshold: for masks, and for the outline in montages.
    """

    folder: Path
    kinds: Sequence[str]
    plans_manager: PlansManager
    configuration_manager: ConfigurationManager
    dataset_json: dict[str, Any]
    settings: ScoreSettings
    threshold: float | None = None

    def paths(self, identifier: str) -> list[Path]:
        """All files of a case, in the order in which they are written."""
        channels = range(len(self.dataset_json["channel_names"]))
        ending = self.dataset_json["file_ending"]
        real = map_ending(ending)
        names = {
            "map": [f"_map{real}"],
            "reconstruction": [f"_reconstruction_{c:04d}{real}" for c in channels],
            "residual": [f"_residual_{c:04d}{real}" for c in channels],
            "mask": [f"_mask{ending}"],
            "png": ["_montage.png"],
        }
        return [self.folder / f"{identifier}{name}" for kind in KINDS if kind in self.kinds for name in names[kind]]

    def is_done(self, identifier: str) -> bool:
        """Whether all files of a case are there; each is written whole."""
        return all(path.exists() for path in self.paths(identifier))

    def write(self, case: RestoredCase) -> None:
        """Write all files of a case."""
        volumes: list[np.ndarray] = []
        restored = case.reconstruction
        if restored is None and {"reconstruction", "residual"} & set(self.kinds):
            raise ValueError("this model detects anomalies without restoring the image: it has no reconstruction.")
        if "map" in self.kinds or "mask" in self.kinds:
            score = self._original(case.score[None], case.properties)[0]
            if "map" in self.kinds:
                volumes.append(score)
        if restored is not None and "reconstruction" in self.kinds:
            volumes += list(self._original(restored * case.foreground, case.properties))
        if restored is not None and "residual" in self.kinds:
            volumes += list(self._original((case.image - restored) * case.foreground, case.properties))
        if "mask" in self.kinds:
            if self.threshold is None:
                raise ValueError("A mask needs a threshold.")
            spacing = (1.0, 1.0, 1.0) if is_natural_image(case.properties) else case.properties["spacing"]
            volumes.append(anomaly_mask(score, self.threshold, spacing, self.settings))
        paths = self.paths(case.identifier)
        for volume, path in zip(volumes, paths, strict=False):
            write_volume(volume, case.properties, path)
        if "png" in self.kinds:
            names = list(self.dataset_json["channel_names"].values())
            channel = main_channel(self.settings.channel_weights, names)
            write_montage(case, channel, str(names[channel]), self.threshold, paths[-1])

    def _original(self, volume: np.ndarray, properties: dict[str, Any]) -> np.ndarray:
        return to_original_geometry(volume, properties, self.plans_manager, self.configuration_manager)
