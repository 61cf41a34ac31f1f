"""Weights in a folder of this machine, or of a disk that several share."""

from __future__ import annotations

import filecmp
import shutil
from collections.abc import Sequence
from pathlib import Path

from nnunet_uad.common.files import atomic_copy
from nnunet_uad.common.lock import folder_lock
from nnunet_uad.sharing.manifest import MOST_TEXT
from nnunet_uad.sharing.place import AbsentError, too_long


class FolderPlace:
    """A folder of this machine, or of a disk that several share.

    Args:
        folder: Folder that exists or is made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.words = folder, str(folder)

    def read(self, name: str) -> bytes:
        """As every place."""
        path = self._file(name)
        if path.stat().st_size > MOST_TEXT:
            raise ValueError(too_long(str(path)))
        return path.read_bytes()

    def fetch(self, name: str, partial: Path, size: int) -> None:
        """As every place; a copy begins anew, since reading again costs little."""
        with self._file(name).open("rb") as source, partial.open("wb") as target:
            shutil.copyfileobj(source, target)

    def others(self, folder: Path, names: Sequence[str]) -> list[str]:
        """As every place; a file with the same bytes is ours, of a push that was killed."""
        there = [name for name in names if (self.folder / name).exists()]
        return [
            name
            for name in there
            if not (self.folder / name).is_file() or not filecmp.cmp(folder / name, self.folder / name, shallow=False)
        ]

    def publish(self, folder: Path, names: Sequence[str]) -> None:
        """As every place; by one process at a time, each file whole or absent."""
        with folder_lock(self.folder):
            # Until the end there are no weights here: nobody fetches a new file by an old manifest.
            (self.folder / names[-1]).unlink(missing_ok=True)
            for name in names:
                atomic_copy(folder / name, self.folder / name)

    def _file(self, name: str) -> Path:
        path = self.folder / name
        if not path.is_file():
            raise AbsentError(f"There is no {path}.")
        return path
