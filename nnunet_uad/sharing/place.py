"""What a place of shared weights can do, and what is said where it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from nnunet_uad.sharing.manifest import MOST_TEXT

HUB = "hf://"
#: What to do when a place was lost.
GO_ON = "Run the same command again; what was fetched so far is kept."


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

    def others(self, folder: Path, names: Sequence[str]) -> list[str]:
        """Files there that are not ours, as far as the place can say without fetching them.

        Args:
            folder: Folder of our files.
            names: Names of the files.

        Returns:
            Names of those that would be replaced.

        Raises:
            ConnectionError: The place cannot be reached.
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
