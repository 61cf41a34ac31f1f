"""A raw scan as nnU-Net's reader gives it to the network, and where its foreground lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK
from nnunetv2.imageio.reader_writer_registry import recursive_find_reader_writer_by_name
from scipy import ndimage

from nnunet_uad.data.background import otsu
from nnunet_uad.data.grids import NIBABEL, grid_of, reader_named
from nnunet_uad.data.raw_files import check_case

#: An image that is not 0 in a larger share of its voxels has no empty background.
_FULL = 0.95
#: Share of the foreground's mass at each end of an axis that lies outside its box: single voxels do not count.
_TAIL = 0.003

Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Scan:
    """A scan in memory.

    Attributes:
        image: Image (C, z, y, x), float32, as the reader gives it: nothing is turned or resampled.
        spacing: Voxel size (z, y, x), mm.
        axes: Directions of the axes x, y and z by the header, as ``LPS``: towards left, posterior, superior; empty
            where the file has none or the reader turns images itself.
    """

    image: np.ndarray
    spacing: tuple[float, ...]
    axes: str = ""

    @classmethod
    def read(cls, files: Sequence[str | Path], reader: str, channels: int) -> Scan:
        """Read a raw case.

        Args:
            files: Images, one per channel in their order.
            reader: Name of nnU-Net's reader, ``SimpleITKIO``.
            channels: Number of channels of the model.

        Raises:
            ValueError: A file is cut short, holds NaN or several volumes, or lies on another grid than the first.
            FileNotFoundError: A file is missing.
        """
        kind = reader_named(reader)
        check_case(files, reader=kind, channels=channels)
        image, properties = recursive_find_reader_writer_by_name(reader)().read_images([str(f) for f in files])
        image = np.asarray(image, np.float32)
        if not np.isfinite(image).all():
            raise ValueError("the image holds NaN or infinite values. Fix it.")
        spacing = tuple(float(s) if s > 0 else 1.0 for s in properties["spacing"])
        turned = "Reorient" in reader
        return cls(image, spacing, "" if turned else header_axes(Path(files[0]), kind))

    def foreground(self) -> np.ndarray:
        """Mask (z, y, x) of what is not background: not 0, or, without an empty background, brighter than it."""
        mask = (self.image != 0).any(0)
        if mask.mean() <= _FULL:
            return mask
        spread = self.image.std((1, 2, 3), keepdims=True)
        smooth = np.mean(self.image / np.where(spread > 0, spread, 1), axis=0)
        smooth = ndimage.uniform_filter(smooth, [min(3, n) for n in smooth.shape])
        return smooth >= otsu(smooth) if smooth.min() < smooth.max() else mask


def header_axes(path: Path, reader: str) -> str:
    """Directions of a file's axes x, y, z by its header, as ``LPS``; empty where it has no three axes.

    Args:
        path: File of an image.
        reader: Reader of the header, SimpleITK or nibabel.
    """
    grid = grid_of(path, reader)
    if grid.direction is None or grid.direction.shape != (3, 3):
        return ""
    # nibabel's coordinates point to the right and to the front, SimpleITK's to the left and to the back.
    direction = grid.direction * (np.array([[-1], [-1], [1]]) if reader == NIBABEL else 1)
    return str(SimpleITK.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(direction.ravel().tolist()))


def box_of(mask: np.ndarray) -> Box:
    """The box around a mask, without the few voxels farthest out; all of the image where the mask is empty.

    Args:
        mask: Mask (z, y, x), boolean.
    """
    slices = []
    for axis in range(3):
        mass = np.cumsum(mask.sum(tuple(k for k in range(3) if k != axis)))
        if mass[-1] == 0:
            slices.append(slice(0, mask.shape[axis]))
            continue
        first, last = np.searchsorted(mass, [_TAIL * mass[-1], (1 - _TAIL) * mass[-1]])
        slices.append(slice(int(first), int(last) + 1))
    return slices[0], slices[1], slices[2]
