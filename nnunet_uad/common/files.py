"""Files that are either whole or absent."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

#: Begins the name of every folder of ours that holds unfinished files. A folder, so that no writer and no reader
#: takes an unfinished file for a case, whatever its ending.
TEMPORARY = ".nnunet_uad_tmp_"
#: Less than this, in bytes, is a full disk.
_FULL = 2**16
_FULL_CODES = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
#: What PyTorch says of a file that it could not write.
_TORCH = ("PytorchStreamWriter failed", "unexpected pos")
_unfinished: set[Path] = set()


class DiskFullError(OSError):
    """A file did not fit on its disk; the file that was there before is untouched."""


@contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """Make a folder for unfinished files beside their target; it is gone afterwards, whatever happens.

    Args:
        parent: Folder that the finished files go into.

    Yields:
        Empty folder on the same disk.
    """
    folder = parent / f"{TEMPORARY}{uuid.uuid4().hex[:8]}"
    _unfinished.add(folder)
    try:
        folder.mkdir()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _unfinished.discard(folder)


@contextmanager
def atomic_path(path: str | Path, check: Callable[[Path], object] | None = None) -> Iterator[Path]:
    """Yield a temporary path of the same name; on success it replaces ``path`` in one step.

    File and folder are flushed to disk, so neither ``kill -9`` nor a power cut leaves a half-written file under the
    final name. On an exception, also that of a signal, the temporary file is removed. What a writer puts beside its
    file (the spacing of a TIFF, the voxels of a header) goes with it.

    Args:
        path: Final name of the file.
        check: Function that raises if the temporary file is not what was to be written, for writers that do not.

    Yields:
        Name to write to, in a hidden folder beside the final one.

    Raises:
        DiskFullError: There was no space left; names the file and the free space.
    """
    path = Path(path)
    # Inside, too: there the unfinished file, which has filled the disk, is not removed yet.
    with words_for_full_disk(path), temporary_folder(path.parent) as folder, words_for_full_disk(path):
        temporary = folder / path.name
        yield temporary
        if check is not None:
            check(temporary)
        move_all(folder, path.parent, last=path.name)


@contextmanager
def words_for_full_disk(path: Path) -> Iterator[None]:
    """Turn what writers say of a full disk into words that name the file and the free space.

    Args:
        path: File or folder that is written.

    Raises:
        DiskFullError: There was no space left.
    """
    try:
        yield
    except DiskFullError:
        raise
    except Exception as error:
        full = isinstance(error, OSError) and error.errno in _FULL_CODES
        # PyTorch and SimpleITK have errors of their own, which do not say why nothing could be written.
        free = _free(path.parent)
        by_torch = isinstance(error, RuntimeError) and any(words in str(error) for words in _TORCH)
        if not full and not by_torch and not (isinstance(error, (OSError, RuntimeError)) and free < _FULL):
            raise
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "no space left on device"
        raise DiskFullError(
            f"{path} could not be written: {reason[0].lower()}{reason[1:]}, {_in_words(free)} free. What was there "
            "before is untouched. Free some space and run the same again."
        ) from error


def move_all(folder: Path, target: Path, last: str) -> None:
    """Move finished files to their place, each in one step and flushed to disk.

    Args:
        folder: Folder of the finished files.
        target: Folder on the same disk.
        last: Name of the file that makes the others count.
    """
    for path in [*(p for p in sorted(folder.iterdir()) if p.name != last), folder / last]:
        flush(path)
        path.replace(target / path.name)
    flush_folder(target)


def flush(path: Path) -> None:
    """Wait until a file is on the disk; delayed errors of the disk are raised here.

    Args:
        path: File that was written and closed.
    """
    with path.open("rb") as handle:
        os.fsync(handle.fileno())


def flush_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk.

    Args:
        folder: Folder in which a file was renamed.
    """
    # Windows and some network disks cannot flush a folder; the rename is in one step there, too.
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_temporaries(folder: Path) -> None:
    """Remove what killed processes left unfinished in a folder and below.

    Args:
        folder: Folder that no other process writes to.
    """
    for root, names, _ in os.walk(folder):
        for name in [n for n in names if n.startswith(TEMPORARY)]:
            shutil.rmtree(Path(root, name), ignore_errors=True)
            names.remove(name)


def remove_unfinished() -> None:
    """Remove what this process has not finished; for its end only."""
    for folder in list(_unfinished):
        shutil.rmtree(folder, ignore_errors=True)


def atomic_copy(source: str | Path, target: str | Path) -> None:
    """Copy a file, atomically.

    Args:
        source: File that exists.
        target: Name of the copy.
    """
    with atomic_path(target) as temporary:
        shutil.copy(source, temporary)


def write_json(path: str | Path, content: Any) -> None:
    """Write indented JSON, atomically.

    Args:
        path: Name of the file.
        content: Anything that :mod:`json` writes.
    """
    write_text(path, json.dumps(content, indent=2) + "\n")


def write_text(path: str | Path, text: str) -> None:
    """Write text in UTF-8, atomically.

    Args:
        path: Name of the file.
        text: Content of the file.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def file_hash(path: str | Path) -> str:
    """SHA-256 of a file, in hexadecimal digits.

    Args:
        path: File to read.
    """
    digest = hashlib.sha256()
    with Path(path).open("rb") as handle:
        while block := handle.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def _forget() -> None:
    """What a forked child's parent has not finished is not the child's to remove."""
    _unfinished.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _free(folder: Path) -> int:
    """Bytes free on a folder's disk; nobody knows where it cannot be asked."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return _FULL


def _in_words(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e7 else f"{size / 1e3:.0f} kB"
