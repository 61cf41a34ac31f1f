"""Corrupted images on disk: made once, shared by all models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK

from nnunet_uad.common.whole_image import write_image
from nnunet_uad.robustness.artefacts import corrupt


@dataclass(frozen=True, order=True)
class Condition:
    """An artefact at a severity; ``clean`` at 0 is the image itself.

    Attributes:
        artefact: Name of the artefact.
        severity: Severity from 1 to 5; 0 for the clean image.
    """

    artefact: str
    severity: int

    @property
    def name(self) -> str:
        """Name of its folders and rows."""
        return f"{self.artefact}_{self.severity}"


CLEAN = Condition("clean", 0)


def corrupted_files(
    folder: Path, condition: Condition, case: str, files: Sequence[Path], seed: int, ending: str
) -> list[Path]:
    """The files of a case under a condition, written if they are not there yet.

    Args:
        folder: Folder of all corrupted images.
        condition: Artefact and severity.
        case: Identifier of the case.
        files: Raw images of the case, a channel each.
        seed: Seed of what is drawn.
        ending: Ending of the files.

    Raises:
        ValueError: Images that are no volumes.
    """
    if condition == CLEAN:
        return list(files)
    target = folder / condition.name
    paths = [target / f"{case}_{c:04d}{ending}" for c in range(len(files))]
    if all(path.exists() for path in paths):
        return paths
    images = [SimpleITK.ReadImage(str(f)) for f in files]
    if any(image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1 for image in images):
        raise ValueError(
            f"{case} is no volume: the artefacts are those of scanners and need a third axis. Expected 3D images "
            "of one value per voxel."
        )
    target.mkdir(parents=True, exist_ok=True)
    volumes = [SimpleITK.GetArrayFromImage(image) for image in images]
    spacing = images[0].GetSpacing()[::-1]
    for volume, image, path in zip(
        corrupt(volumes, spacing, condition.artefact, condition.severity, case, seed), images, paths, strict=True
    ):
        _write(volume, image, path)
    return paths


def _write(volume: np.ndarray, like: SimpleITK.Image, path: Path) -> None:
    image = SimpleITK.GetImageFromArray(volume)
    image.CopyInformation(like)
    write_image(image, path, compress=False)
