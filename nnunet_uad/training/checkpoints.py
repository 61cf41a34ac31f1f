"""How a training writes: one process per fold, whole checkpoints, and words for a disk that is full."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nnunet_uad.common.ending import clean_up_on_sigterm
from nnunet_uad.common.files import DiskFullError, atomic_path, words_for_full_disk
from nnunet_uad.common.lock import folder_lock


@contextmanager
def own_fold(folder: str | Path, is_writer: bool) -> Iterator[None]:
    """Be the only training of a fold, and leave no unfinished file in its folder.

    Args:
        folder: Folder of the fold.
        is_writer: Whether this process writes there; of a distributed training one does.

    Raises:
        LockedError: Another process trains this fold; says which.
        DiskFullError: A file of the training did not fit on the disk.
    """
    if not is_writer:
        yield
        return
    clean_up_on_sigterm()
    try:
        with folder_lock(folder), words_for_full_disk(Path(folder) / "training"):
            yield
    except DiskFullError as error:
        raise DiskFullError(f"{error} A training goes on from its last checkpoint: nnUNetv2_train … --c") from error


@contextmanager
def atomic_checkpoint(path: str | Path) -> Iterator[Path]:
    """As :func:`~nnunet_uad.common.files.atomic_path`; the checkpoint before it stays until this one is whole.

    Args:
        path: Final name of the checkpoint.

    Yields:
        Name to write to.

    Raises:
        DiskFullError: The checkpoint did not fit on the disk; names it and the free space.
    """
    with atomic_path(path, check=_refuse_cut_checkpoint) as temporary:
        yield temporary


def _refuse_cut_checkpoint(path: Path) -> None:
    """PyTorch's files are zip archives, whose list of contents comes last."""
    try:
        zipfile.ZipFile(path).close()
    except zipfile.BadZipFile as error:
        raise OSError(f"{path.name} was not written whole ({error})") from error
