"""What is written of a case: maps, reconstructions, residuals, masks and montages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nnunet_uad.inference.case import ScoredCase
from nnunet_uad.inference.model_plan import ModelPlan
from nnunet_uad.inference.montage import write_montage
from nnunet_uad.inference.names import KINDS
from nnunet_uad.scoring.geometry import is_natural_image, map_ending, write_volume
from nnunet_uad.scoring.score import anomaly_mask
from nnunet_uad.scoring.score_settings import ScoreSettings, main_channel


@dataclass(frozen=True)
class Exporter:
    """Writes cases into a folder; whole files only.

    Attributes:
        folder: Folder to write into.
        kinds: Kinds of files to write: ``map``, ``reconstruction``, ``residual``, ``mask``, ``png``.
        model: Plan of the model.
        settings: Settings of the score.
        threshold: Threshold of masks and of the outline in montages, in units of the score.
    """

    folder: Path
    kinds: Sequence[str]
    model: ModelPlan
    settings: ScoreSettings
    threshold: float | None = None

    def paths(self, identifier: str) -> list[Path]:
        """All files of a case, in the order in which they are written.

        Args:
            identifier: Identifier of the case.
        """
        channels = range(len(self.model.channel_names))
        ending = self.model.file_ending
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
        """Whether all files of a case exist; each is written whole.

        Args:
            identifier: Identifier of the case.
        """
        return all(path.exists() for path in self.paths(identifier))

    def remove(self, identifier: str) -> None:
        """Delete all files of a case, of every kind.

        Args:
            identifier: Identifier of the case.
        """
        for path in (*replace(self, kinds=KINDS).paths(identifier), self.scene(identifier)):
            path.unlink(missing_ok=True)

    def of_kind(self, identifier: str, kind: str) -> list[Path]:
        """The files of a case of one kind, whether it is wanted or not.

        Args:
            identifier: Identifier of the case.
            kind: Kind of the files.
        """
        return replace(self, kinds=(kind,)).paths(identifier)

    def scene(self, identifier: str) -> Path:
        """The case's scene for 3D Slicer, which :mod:`~nnunet_uad.inference.overlay` writes.

        Args:
            identifier: Identifier of the case.
        """
        return self.folder / f"{identifier}.mrml"

    def write(self, case: ScoredCase) -> None:
        """Write all files of a case.

        Args:
            case: Case to write.

        Raises:
            ValueError: A reconstruction or residual of a model that has none, or a mask without threshold.
        """
        volumes: list[np.ndarray] = []
        reconstruction = case.reconstruction
        if reconstruction is None and {"reconstruction", "residual"} & set(self.kinds):
            raise ValueError("this model detects anomalies without reconstructing the image: it has no reconstruction.")
        if "map" in self.kinds or "mask" in self.kinds:
            score = self.model.original_geometry(case.score[None], case.properties)[0]
            if "map" in self.kinds:
                volumes.append(score)
        if reconstruction is not None and "reconstruction" in self.kinds:
            volumes += list(self.model.original_geometry(reconstruction * case.foreground, case.properties))
        if reconstruction is not None and "residual" in self.kinds:
            residual = (case.image - reconstruction) * case.foreground
            volumes += list(self.model.original_geometry(residual, case.properties))
        if "mask" in self.kinds:
            if self.threshold is None:
                raise ValueError("A mask needs a threshold.")
            spacing = (1.0, 1.0, 1.0) if is_natural_image(case.properties) else case.properties["spacing"]
            volumes.append(anomaly_mask(score, self.threshold, spacing, self.settings))
        paths = self.paths(case.identifier)
        for volume, path in zip(volumes, paths, strict=False):
            write_volume(volume, case.properties, path)
        if "png" in self.kinds:
            names = self.model.channel_names
            channel = main_channel(self.settings.channel_weights, names)
            write_montage(case, channel, names[channel], self.threshold, paths[-1])
