"""Grids of image files, from their headers alone: which voxel lies where, and whether two files agree on it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import nibabel
import numpy as np
import SimpleITK
from nibabel.filebasedimages import ImageFileError

#: Formats without spacing, origin and direction.
_WITHOUT_HEADER = (".png", ".bmp", ".tif", ".tiff")
#: Who reads headers: NIfTI has two descriptions of where its voxels lie, of which each takes its own.
SIMPLEITK, NIBABEL = "SimpleITK", "nibabel"


@dataclass(frozen=True)
class Grid:
    """Where the voxels of a file lie, as one reader understands its header.

    Attributes:
        size: Voxels along each axis (x, y, z) or (x, y).
        volumes: Number of values per voxel: time points, directions or colours.
        spacing: Voxel size per axis, mm; ``None`` of a format without header.
        direction: Directions of the axes, a column each.
        origin: Position of the first voxel, mm.
    """

    size: tuple[int, ...]
    volumes: int
    spacing: np.ndarray | None = None
    direction: np.ndarray | None = None
    origin: np.ndarray | None = None

    def difference(self, expected: Grid) -> str:
        """In words how this grid differs from another; ``""`` if it does not.

        Args:
            expected: Grid that is expected.
        """
        if self.size != expected.size:
            return f"shape {self.size} where {expected.size} was expected"
        if self.spacing is None or expected.spacing is None:
            return ""
        if self.volumes != expected.volumes:
            return f"{self.volumes} volumes where {expected.volumes} was expected"
        if not np.allclose(self.spacing, expected.spacing, rtol=1e-3):
            return f"spacing {_short(self.spacing)} mm where {_short(expected.spacing)} mm was expected"
        theirs, ours = cast("np.ndarray", expected.direction), cast("np.ndarray", self.direction)
        if not np.allclose(ours, theirs, atol=1e-3):
            return f"orientation {_short(ours.ravel())} where {_short(theirs.ravel())} was expected"
        place, wanted = cast("np.ndarray", self.origin), cast("np.ndarray", expected.origin)
        if not np.allclose(place, wanted, rtol=0, atol=1e-2 * float(expected.spacing.min())):
            return f"origin {_short(place)} mm where {_short(wanted)} mm was expected"
        return ""


def reader_of(plans: Any) -> str:
    """Who reads the images of a plan: :data:`NIBABEL` or :data:`SIMPLEITK`, which also stands for all others.

    Args:
        plans: nnU-Net's PlansManager.
    """
    return reader_named(plans.image_reader_writer_class.__name__)


def reader_named(name: str) -> str:
    """As :func:`reader_of`, of the name that plans give: ``NibabelIO``.

    Args:
        name: Value of ``image_reader_writer`` in plans.
    """
    return NIBABEL if name.startswith("Nibabel") else SIMPLEITK


def grid_of(path: Path, reader: str = SIMPLEITK) -> Grid:
    """The grid of an image file; its voxels are not read.

    Args:
        path: File of an image.
        reader: Reader of the header, :data:`SIMPLEITK` or :data:`NIBABEL`.

    Raises:
        ValueError: The reader cannot read the header.
    """
    return _nibabel_grid(path) if reader == NIBABEL else _simpleitk_grid(path)


def grid_difference(path: Path, reference: Path, readers: Sequence[str] = (SIMPLEITK, NIBABEL)) -> str:
    """In words how the grids of two files differ; ``""`` where any reader finds that they agree.

    Args:
        path: File that is compared.
        reference: File whose grid is expected.
        readers: Names of the readers that may be asked.

    Raises:
        ValueError: No reader can read both headers.
    """
    found: list[str] = []
    errors: list[ValueError] = []
    for reader in readers:
        if reader == NIBABEL and not (_is_nifti(path) and _is_nifti(reference)):
            continue
        try:
            difference = grid_of(path, reader).difference(grid_of(reference, reader))
        except ValueError as error:
            errors.append(error)
            continue
        if not difference:
            return ""
        found.append(difference)
    if not found:
        raise errors[0]
    return found[0]


def voxel_spacing(path: Path) -> tuple[float, ...]:
    """Voxel size per axis of an image file in the order of its values, (z, y, x) or (y, x), mm.

    Args:
        path: File of an image.

    Returns:
        Voxel size per axis; 1, a pixel, where the format or the header has none.

    Raises:
        ValueError: No reader can read the header.
    """
    try:
        grid = grid_of(path)
    except ValueError:
        # Axes that are not at right angles: the voxels come from nibabel, too.
        if not _is_nifti(path):
            raise
        grid = grid_of(path, NIBABEL)
    spacing = np.ones(len(grid.size)) if grid.spacing is None else grid.spacing
    return tuple(float(s) if s > 0 else 1.0 for s in spacing[::-1])


def _is_nifti(path: Path) -> bool:
    return path.name.lower().endswith((".nii", ".nii.gz"))


def _simpleitk_grid(path: Path) -> Grid:
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise ValueError(f"{path.name} cannot be read as an image: {str(error).strip().splitlines()[-1]}") from error
    size, axes = reader.GetSize(), min(3, reader.GetDimension())
    volumes = math.prod(size[axes:]) * reader.GetNumberOfComponents()
    if path.name.lower().endswith(_WITHOUT_HEADER):
        return Grid(tuple(size[:axes]), volumes)
    direction = np.array(reader.GetDirection()).reshape(len(size), len(size))
    return Grid(
        size=tuple(size[:axes]),
        volumes=volumes,
        spacing=np.array(reader.GetSpacing()[:axes]),
        direction=direction[:axes, :axes],
        origin=np.array(reader.GetOrigin()[:axes]),
    )


def _nibabel_grid(path: Path) -> Grid:
    try:
        image = cast("nibabel.Nifti1Image", nibabel.load(path))
    except (ImageFileError, OSError, EOFError, ValueError) as error:
        raise ValueError(f"{path.name} cannot be read as an image: {error}") from error
    affine = np.asarray(image.affine, dtype=np.float64)
    axes = affine[:3, :3]
    spacing = np.sqrt((axes**2).sum(0))
    shape = tuple(int(n) for n in image.shape)
    volumes = math.prod(shape[3:]) * max(1, len(image.get_data_dtype().names or ()))
    return Grid(shape[:3], volumes, spacing, axes / np.where(spacing > 0, spacing, 1), affine[:3, 3])


def _short(values: Iterable[float]) -> str:
    return "(" + ", ".join(f"{v:.4g}" for v in values) + ")"
