"""Image files that open although they are cut short or hold NaN: found on the file itself, in one pass.

SimpleITK fills what a cut NIfTI or GIPL file lacks with zeros or with anything, and turns NaN in NIfTI into 0; both
without a word. Its readers of the other formats refuse such files.
"""

from __future__ import annotations

import functools
import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from nnunet_uad.common.whole_image import NiftiLayout, nifti_layout

#: Bytes that are looked at in one go.
_BLOCK = 1 << 22
#: GIPL's header: its length in bytes, its magic number, and bits per voxel by its number of a type.
_GIPL_HEADER, _GIPL_MAGIC = 256, 4026526128
_GIPL_BITS = {1: 1, 7: 8, 8: 8, 15: 16, 16: 16, 31: 32, 32: 32, 64: 32, 65: 64}


def check_whole(path: Path) -> None:
    """Refuse a file that lacks voxels, holds others than its header says, or holds NaN or infinity.

    NIfTI is read to its end, with the checksum of gzip; of GIPL the size is compared. A file is looked at once as long
    as it does not change.

    Args:
        path: File of an image; a format that the readers check themselves passes.

    Raises:
        ValueError: Something is wrong with the file; names it.
        FileNotFoundError: There is no such file.
    """
    status = path.stat()
    wrong = _verdict(path, status.st_size, status.st_mtime_ns)
    if wrong:
        raise ValueError(f"{path.name} {wrong}")


@functools.lru_cache(maxsize=4096)
def _verdict(path: Path, size: int, changed: int) -> str:
    """What is wrong with a file, in words; ``""`` if nothing is."""
    name = path.name.lower()
    if name.endswith(".gipl"):
        return _gipl_verdict(path, size)
    if not name.endswith((".nii", ".nii.gz")):
        return ""
    try:
        return _count(_blocks(path), nifti_layout(path))
    except (ImageFileError, HeaderDataError, OSError, EOFError, ValueError, zlib.error) as error:
        return f"cannot be read: it is cut short or damaged ({str(error).splitlines()[0] if str(error) else 'empty'})."


def _blocks(path: Path) -> Iterator[bytes]:
    """The content of a file, unpacked if it is packed."""
    with path.open("rb") as handle:
        if handle.read(2) != b"\x1f\x8b":
            handle.seek(0)
            while block := handle.read(_BLOCK):
                yield block
            return
        handle.seek(0)
        stream = zlib.decompressobj(wbits=31)
        while packed := handle.read(_BLOCK >> 2):
            while packed and not stream.eof:
                yield stream.decompress(packed, _BLOCK)
                packed = stream.unused_data if stream.eof else stream.unconsumed_tail
                if stream.eof and packed.startswith(b"\x1f\x8b"):
                    # Files of several parts, as parallel packers write them.
                    stream = zlib.decompressobj(wbits=31)
        if not stream.eof:
            raise ValueError("the packed stream ends before its end mark")


def _count(blocks: Iterator[bytes], layout: NiftiLayout) -> str:
    """Compare the length with the header's, and look for NaN."""
    width, length, rest = layout.dtype.itemsize, 0, b""
    slice_size = math.prod(layout.shape[:2]) * width
    may_hold_nan = np.issubdtype(layout.dtype, np.inexact)
    for block in blocks:
        if may_hold_nan:
            voxels = rest + block[max(0, layout.offset - length) : max(0, layout.end - length)]
            whole = len(voxels) // width * width
            if not np.isfinite(np.frombuffer(voxels[:whole], layout.dtype)).all():
                return "holds NaN or infinite values. Fix the file."
            rest = voxels[whole:]
        length += len(block)
        if length >= layout.end + slice_size:
            return f"holds more than the {layout.size} bytes of voxels that its header says: another size was written."
    if length < layout.end:
        return (
            f"is cut short: its header says {layout.size} bytes of voxels, the file holds "
            f"{max(0, length - layout.offset)}. Copy or export it again."
        )
    return ""


def _gipl_verdict(path: Path, size: int) -> str:
    with path.open("rb") as handle:
        header = handle.read(_GIPL_HEADER)
    if len(header) < _GIPL_HEADER:
        return "is cut short: it ends within its header. Copy or export it again."
    for order in (">", "<"):
        (magic,) = struct.unpack_from(f"{order}I", header, 252)
        dims, kind = struct.unpack_from(f"{order}4H", header, 0), struct.unpack_from(f"{order}H", header, 8)[0]
        if magic == _GIPL_MAGIC and kind in _GIPL_BITS:
            expected = _GIPL_HEADER + math.prod(max(1, n) for n in dims) * _GIPL_BITS[kind] // 8
            missing = expected - size
            return f"is cut short by {missing} bytes. Copy or export it again." if missing > 0 else ""
    return ""
