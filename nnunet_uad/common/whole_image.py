"""Images on disk that hold all that their header promises; who writes them checks."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nnunet_uad.common.files import atomic_path


@dataclass(frozen=True)
class NiftiLayout:
    """Where the voxels lie in a NIfTI file, unpacked, as its header says.

    Attributes:
        offset: Bytes before the first voxel.
        shape: Voxels per axis, at least one each.
        dtype: Type of a stored voxel.
    """

    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def size(self) -> int:
        """Bytes of all voxels."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def end(self) -> int:
        """Bytes of the whole file."""
        return self.offset + self.size


def nifti_layout(path: Path) -> NiftiLayout:
    """What the header of a NIfTI file promises; no voxel is read.

    Args:
        path: File ending in ``.nii`` or ``.nii.gz``.

    Raises:
        ValueError: The header says that there are no voxels.
    """
    import nibabel

    stored: Any = nibabel.load(path).dataobj  # type: ignore[attr-defined]
    shape = tuple(int(n) for n in stored.shape)
    if not shape or min(shape) < 1:
        raise ValueError(f"its header says that it has {list(shape)} voxels")
    return NiftiLayout(int(stored.offset), shape, np.dtype(stored.dtype))


@contextmanager
def atomic_image(path: Path) -> Iterator[Path]:
    """As :func:`~nnunet_uad.common.files.atomic_path`, for writers that do not say when a disk was full.

    SimpleITK writes compressed files in part and reports success.

    Args:
        path: Final name of the image.

    Yields:
        Name to write to.

    Raises:
        OSError: The image was not written whole.
    """
    with atomic_path(path, check=refuse_cut_image) as temporary:
        yield temporary


def write_image(image: Any, path: Path, compress: bool = True) -> None:
    """Write an image of SimpleITK, whole or not at all.

    Args:
        image: Image of SimpleITK.
        path: File to write, ending in an image type.
        compress: Whether to compress where the type can.
    """
    import SimpleITK

    with atomic_image(path) as temporary:
        SimpleITK.WriteImage(image, str(temporary), useCompression=compress)
        # A TIFF that is cut short still opens, with fewer slices.
        if not temporary.name.lower().endswith((".nii", ".nii.gz")):
            written = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(temporary)))
            if not np.array_equal(written, SimpleITK.GetArrayFromImage(image), equal_nan=written.dtype.kind == "f"):
                raise OSError(errno.EIO, f"{path.name} was not written whole")


def refuse_cut_image(path: Path) -> None:
    """Refuse an image that was just written and is not whole.

    The sizes of NIfTI files are compared, which costs nothing; what does not fit is missing at their end. Files of
    other types are read.

    Args:
        path: File of the image.

    Raises:
        OSError: Something is missing, or the file cannot be read.
    """
    try:
        found, expected = _sizes(path)
    except Exception as error:
        # Every library has errors of its own for a file that is cut short.
        raise OSError(errno.EIO, f"{path.name} was not written whole ({error})") from error
    if found != expected:
        raise OSError(errno.EIO, f"{path.name} was not written whole: found {found} bytes, expected {expected}")


def _sizes(path: Path) -> tuple[int, int]:
    """Bytes that a file holds, decompressed, and that its header promises."""
    name = path.name.lower()
    if not name.endswith((".nii", ".nii.gz")):
        import SimpleITK

        SimpleITK.ReadImage(str(path))
        return 0, 0
    promised = nifti_layout(path).end
    if name.endswith(".nii"):
        return path.stat().st_size, promised
    with path.open("rb") as handle:
        # gzip ends with its size modulo 2³²; of a stream that is cut these are some other four bytes.
        handle.seek(-4, os.SEEK_END)
        return int.from_bytes(handle.read(4), "little"), promised % 2**32
