"""Where shared weights lie: a folder, an HTTP address, a repository of the Hugging Face Hub."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from nnunet_uad.common.files import atomic_copy
from nnunet_uad.common.lock import folder_lock
from nnunet_uad.sharing.manifest import MOST_TEXT

HUB = "hf://"


#: What to do when a place was lost.
GO_ON = "What was fetched so far is kept: run the same command again."


class AbsentError(FileNotFoundError):
    """A place does not hold a file."""


class Place(Protocol):
    """What every place can do."""

    words: str

    def read(self, name: str) -> bytes:
        """A small file, whole.

        Args:
            name: Name of the file.

        Raises:
            AbsentError: There is no such file.
            ConnectionError: The place cannot be reached.
        """

    def fetch(self, name: str, partial: Path, size: int) -> None:
        """A large file; what an earlier attempt left of it is continued.

        Args:
            name: Name of the file.
            partial: File that grows, in a folder that exists.
            size: Length that it should have in the end, bytes.

        Raises:
            AbsentError: There is no such file.
            ConnectionError: The place cannot be reached, or was lost on the way.
        """

    def publish(self, folder: Path, names: Sequence[str]) -> None:
        """Put files there, the last one last: it makes the others count.

        Args:
            folder: Folder of the files.
            names: Names of the files.

        Raises:
            ConnectionError: The place cannot be reached.
            PermissionError: It does not take files from us.
        """


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


def place_of(text: str) -> Place:
    """The place that somebody names.

    Args:
        text: Folder, address or ``hf://OWNER/NAME``.

    Raises:
        ValueError: It is of another form.

    Example:
        >>> place_of("weights/dae").words
        'weights/dae'
    """
    if text.startswith(HUB):
        from nnunet_uad.sharing.hub_place import HubPlace

        return HubPlace(text.removeprefix(HUB))
    scheme, mark, _ = text.partition("://")
    if not mark:
        return FolderPlace(Path(text).expanduser())
    if scheme.lower() not in ("http", "https"):
        raise ValueError(
            f"Weights are shared in a folder, at an http:// or https:// address or as {HUB}OWNER/NAME; found {text!r}."
        )
    from nnunet_uad.sharing.http_place import HttpPlace

    return HttpPlace(text)


def too_long(file: str) -> str:
    """What to say of a manifest or card that is none.

    Args:
        file: Words for the file.
    """
    return f"{file} is longer than {MOST_TEXT} bytes: none of those that nnunet_uad weights push writes."


def nothing_there(place: Place, reason: AbsentError) -> str:
    """What to say of a place without a manifest.

    Args:
        place: Place that was asked.
        reason: Answer that it gave.
    """
    return (
        f"{reason} So {place.words} holds nothing that nnunet_uad weights push put there, or its end was cut off. A "
        "single file is used without pull: export nnUNet_uad_pretrained=FILE"
    )
